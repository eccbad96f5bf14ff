public import Collectives
import LoRA
import Models
import Tensors

/// Trains on random tokens, raw products before and after each step; every rank does the same at the same
/// time, and none waits for another within a step.
/// - Parameters:
///   - config: with the section `lora`, and `model.path` unless the options give a shape.
///   - options: sizes, steps and threads.
///   - world: the ranks; each calls this.
/// - Returns: medians over the steps, of this rank.
/// - Throws: what is wrong with the model or the adapter.
public func runBenchmark(
    config: RunConfig, options: BenchmarkOptions, world: Communicator
) throws -> BenchmarkResult {
    let bench = try Bench(config, options, world)
    let (workers, adapter, base) = (bench.workers, bench.adapter, bench.decoder.base)
    let config = bench.config
    let lengths = stride(from: 0, to: options.tokens, by: options.exampleTokens).map {
        min(options.exampleTokens, options.tokens - $0)
    }
    let batch = randomBatch(lengths, vocabulary: base.config.vocabulary)
    let trained = batch.targets.count
    let hasDropout = config.lora.loraDropout > 0
    let sums = ExactSums(adapter.values.layout)
    let placement = bench.placement
    var optimizer = try Optimizer(values: adapter.values, config: config.training, placement: placement)
    let size = MicroBatchSize(batch)
    let (kept, arenaBytes) = try MemoryNeed(bench.decoder, workers, placement, world).choose(
        config.training.activationCheckpointing
    ) { bench.decoder.keeping($0).trainingArenaBytes(size, hasDropout: hasDropout) }
    let decoder = bench.decoder.keeping(kept)
    let arena = Arena(bytes: arenaBytes)
    let flops = decoder.trainingFLOPs(exampleLengths: lengths, trained: trained)
    var steps: [Step] = []
    var before = try RawRates(world, workers)
    for step in 0..<options.warmupSteps + options.steps {
        try world.barrier()
        let clock = PhaseClock()
        sums.zero()
        decoder.prepare(on: workers)
        _ = decoder.train(
            batch, factor: 1 / Float(trained),
            dropout: Decoder.Dropout(
                probability: config.lora.loraDropout, seed: 1, step: step, neftuneAlpha: config.training.neftuneAlpha),
            addingTo: sums, arena: arena, on: workers, clock: clock)
        try placement.beginUpdate {}
        _ = optimizer.update(sums, learningRate: 1e-5, on: workers)
        _ = try placement.endUpdate(isBad: false)
        clock.end(.update)
        let after = try RawRates(world, workers)
        steps.append(Step(clock, before, after))
        before = after
    }
    steps.removeFirst(options.warmupSteps)
    let seconds = median(steps.map(\.seconds))
    try world.barrier()
    let memory = ProcessMemory.own()
    let sumCost = try SumCost(sums, on: workers, world)
    return BenchmarkResult(
        setting: bench.setting, seconds: seconds, shortest: steps.map(\.seconds).min()!,
        longest: steps.map(\.seconds).max()!, tokensPerSecond: Double(options.tokens) / seconds,
        phases: PhaseClock.Phase.allCases.map { phase in
            PhaseSeconds(phase: phase, seconds: median(steps.map { $0.phases[phase]! }))
        },
        flopsPerToken: flops.scaled(by: 1 / Double(options.tokens)), modelFLOPS: flops.total / seconds,
        gemmFLOPS: median(steps.map(\.rates.sgemm)), bf16FLOPS: median(steps.map(\.rates.bf16)),
        shareOfGEMM: median(steps.map { flops.total / $0.seconds / $0.rates.sgemm }),
        shareOfBF16: median(steps.map { flops.total / $0.seconds / $0.rates.bf16 }),
        sumCost: sumCost, checkpointing: kept.rawValue, placement: config.training.statePlacement.rawValue,
        memory: memory, arenaBytes: arena.capacity + workers.scratchBytes, baseBytes: base.stepBytes.read,
        nodeBytes: try world.nodeBytes(memory, base: base.files.isEmpty ? 0 : base.stepBytes.read),
        allRanks: (
            try world.allGather([Double(options.tokens) / seconds]).joined().reduce(0, +),
            try world.sum(memory)
        ))
}

/// Measures each product of a step by itself, the raw kernel before each.
/// - Parameters: as `runBenchmark`; of `options`, `exampleTokens` counts for nothing.
/// - Returns: medians, of this rank.
/// - Throws: what is wrong with the model or the adapter.
public func runProductSweep(
    config: RunConfig, options: BenchmarkOptions, world: Communicator
) throws -> ProductSweep {
    let bench = try Bench(config, options, world)
    let workers = bench.workers
    var rates: [Double] = []
    var results: [ProductRate] = []
    for product in bench.decoder.stepProducts(tokens: options.tokens, on: workers) {
        try world.barrier()
        // As often as takes 20 ms, so that a clock's tick and the start of a job count for little.
        let once = max(seconds(product.run), 1e-6)
        let repetitions = max(1, Int(0.02 / once))
        var times: [(seconds: Double, rate: Double)] = []
        for _ in 0..<options.steps {
            let rate =
                bench.decoder.precision == .bf16 ? measureBF16GEMM(on: workers) : measureGEMM(on: workers)
            let time = seconds({ for _ in 0..<repetitions { product.run() } }) / Double(repetitions)
            times.append((time, rate))
        }
        rates += times.map(\.rate)
        let middle = median(times.map(\.seconds))
        results.append(
            ProductRate(
                module: product.module, formula: product.formula, rows: product.rows, columns: product.columns,
                inner: product.inner, seconds: middle, flops: product.operations / middle,
                share: median(times.map { product.operations / $0.seconds / $0.rate })))
    }
    return ProductSweep(setting: bench.setting, kernelFLOPS: median(rates), products: results)
}

/// The rates of raw products, in operations a second.
private struct RawRates {
    var sgemm: Double, bf16: Double

    /// Measures them on all ranks at once.
    init(_ world: Communicator, _ workers: Workers) throws {
        try world.barrier()
        sgemm = measureGEMM(on: workers)
        bf16 = measureBF16GEMM(on: workers)
    }
}

/// What one step took, and the rates of raw products: means of those before and after it.
private struct Step {
    let phases: [PhaseClock.Phase: Double]
    let rates: (sgemm: Double, bf16: Double)
    var seconds: Double { phases.values.reduce(0, +) }

    init(_ clock: PhaseClock, _ before: RawRates, _ after: RawRates) {
        phases = Dictionary(uniqueKeysWithValues: PhaseClock.Phase.allCases.map { ($0, clock[$0].seconds) })
        rates = ((before.sgemm + after.sgemm) / 2, (before.bf16 + after.bf16) / 2)
    }
}

/// A model with an adapter and threads, to be measured.
private struct Bench {
    let config: RunConfig
    let decoder: Decoder
    let adapter: Adapter
    let workers: Workers
    let placement: StatePlacement
    let setting: BenchmarkSetting

    init(_ config: RunConfig, _ options: BenchmarkOptions, _ world: Communicator) throws {
        let config = try agreed(config, world)
        let workers = Workers(count: try world.threads(requested: options.threads ?? config.training.threads))
        if let shape = options.shape {
            guard config.model.quantization == .none else {
                throw ConfigError(
                    key: "model.quantization",
                    reason:
                        "the random weights of --shape are in bf16; write such a model (lora-dist synth --shape \(shape.name) OUT) "
                        + "and give it as --model")
            }
            try world.together { try Self.checkRoom(for: shape, world) }
        }
        let base =
            try options.shape.map { BaseModel(random: $0.config, name: $0.name, on: workers) }
            ?? openBase(config, world)
        let (adapter, rank) = try world.together {
            let (adapter, adapterConfig) = try Session.adapter(of: config, for: base)
            return (adapter, adapterConfig.r)
        }
        self.config = config
        self.workers = workers
        placement = StatePlacement(config.training, world)
        let placed = try placement.placed(adapter)
        try AdapterStart(config, base, placed).complete(on: workers, placement, world)
        self.adapter = placed
        decoder = Decoder(
            base: base, adapter: placed, positions: options.exampleTokens, precision: config.model.precision,
            labelSmoothing: config.training.labelSmoothing)
        setting = BenchmarkSetting(
            model: options.shape.map { "\($0.name) (random weights in bf16)" } ?? base.description,
            precision: decoder.precision.rawValue, threads: workers.count, ranks: world.size, tokens: options.tokens,
            exampleTokens: options.exampleTokens, rank: rank, trainableParameters: adapter.parameterCount,
            library: openBLASDescription())
    }

    /// Random weights are each rank's own, unlike those of a mapped file.
    private static func checkRoom(for shape: KnownShape, _ world: Communicator) throws {
        let needed = shape.config.bf16ByteCount * world.localSize
        if let free = availableMemory(), needed > free {
            throw ConfigError(
                reason: "--shape \(shape.name): random weights take \(needed >> 20) MiB for the ranks of "
                    + "\(world.hostName), which has \(free >> 20) MiB left; take a smaller shape or fewer ranks")
        }
    }
}

extension Communicator {
    /// What the ranks of this rank's node hold together beside files, and so many bytes of these, which they share.
    fileprivate func nodeBytes(_ memory: ProcessMemory, base: Int) throws -> Int {
        let all = try allGather([memory]).joined()
        return zip(all, nodes).reduce(base) { sum, other in
            let (memory, node) = other
            guard node == nodes[rank] else { return sum }
            return sum + memory.proportionalAnonymousBytes + memory.proportionalSharedBytes
        }
    }

    /// The sums of what all ranks hold.
    fileprivate func sum(_ memory: ProcessMemory) throws -> ProcessMemory {
        try allGather([memory]).joined().reduce(ProcessMemory(rollup: "", status: "")) { $0 + $1 }
    }
}

/// Examples of random tokens, every token trained but the first of each.
private func randomBatch(_ lengths: [Int], vocabulary: Int) -> PackedBatch {
    let random = CounterRandom(seed: 1, purpose: 0)
    var batch = PackedBatch()
    var count = 0
    for (key, length) in lengths.enumerated() {
        let tokens = (0..<length).map { Int32(random.uniform(count + $0) * Float(vocabulary)) }
        count += length
        batch.append(tokens: tokens, labels: tokens, key: UInt32(key))
    }
    return batch
}

/// How long the work takes.
func seconds(_ work: () throws -> Void) rethrows -> Double {
    let begin = ContinuousClock.now
    try work()
    return begin.duration(to: .now).seconds
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
