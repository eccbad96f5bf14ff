import Foundation
import LoRA
public import Models
import Tensors

/// What a benchmark measures, beside the model and adapter of its config.
public struct BenchmarkOptions: Sendable {
    /// Tokens of a micro-batch, all of them trained, in examples of `exampleTokens`.
    public var tokens = 2048
    public var exampleTokens = 512
    /// Steps that count, and steps before them that do not.
    public var steps = 5
    public var warmupSteps = 1
    public var threads: Int?
    public init() {}
}

/// Medians over the steps of a benchmark.
public struct BenchmarkResult: Sendable {
    public var model: String
    public var threads: Int
    public var tokens: Int
    public var trainableParameters: Int
    /// Of one step: forward, backward and AdamW.
    public var seconds: Double
    public var tokensPerSecond: Double
    public var flopsPerToken: StepFLOPs
    /// What the inputs of products are rounded to: `fp32` or `bf16`.
    public var precision: String
    /// Operations a second of the step's mathematics.
    public var modelFLOPS: Double
    /// The same of raw products measured between the steps on as many threads: OpenBLAS in single precision, and the bf16 kernel
    /// on packed operands.
    public var gemmFLOPS: Double, bf16FLOPS: Double
    /// The medians of the ratios of each step to the products measured beside it.
    public var shareOfGEMM: Double, shareOfBF16: Double
    /// Bytes of the arena and the workers' scratch memory.
    public var arenaBytes: Int
    /// The matrix library and what it chose for this CPU.
    public var library: String
}

/// Trains on random tokens, raw products before each step, in one process.
/// - Parameters:
///   - config: with `model.path` and the section `lora`.
///   - options: sizes, steps and threads.
/// - Returns: medians over the steps.
/// - Throws: what is wrong with the model or the adapter.
public func runBenchmark(config: RunConfig, options: BenchmarkOptions) throws -> BenchmarkResult {
    let session = try Session(config: config, adapter: .config)
    let adapter = session.adapter!
    let threads = options.threads ?? config.training.threads ?? AffinityMask.own().cores()
    let workers = Workers(count: threads)
    let lengths = stride(from: 0, to: options.tokens, by: options.exampleTokens).map {
        min(options.exampleTokens, options.tokens - $0)
    }
    let batch = randomBatch(lengths, vocabulary: session.base.config.vocabulary)
    let trained = batch.targets.count
    let decoder = Decoder(
        base: session.base, adapter: adapter, positions: options.exampleTokens, precision: config.model.precision)
    let arena = Arena(
        bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: config.lora.loraDropout > 0))
    let sums = ExactSums(adapter.values.layout)
    var optimizer = Optimizer(values: adapter.values, config: config.training)
    let flops = decoder.trainingFLOPs(exampleLengths: lengths, trained: trained)
    var times: [Double] = []
    var rates: [Double] = []
    var bf16Rates: [Double] = []
    for step in 0..<options.warmupSteps + options.steps {
        let rate = measureGEMM(on: workers)
        let bf16Rate = measureBF16GEMM(on: workers)
        let begin = ContinuousClock.now
        sums.zero()
        _ = decoder.train(
            batch, factor: 1 / Float(trained),
            dropout: Decoder.Dropout(probability: config.lora.loraDropout, seed: 1, step: step), addingTo: sums,
            arena: arena, on: workers)
        _ = optimizer.update(sums, learningRate: 1e-5, on: workers)
        let seconds = begin.duration(to: .now).seconds
        if step < options.warmupSteps { continue }
        times.append(seconds)
        rates.append(rate)
        bf16Rates.append(bf16Rate)
    }
    let seconds = median(times)
    return BenchmarkResult(
        model: session.base.description, threads: threads, tokens: options.tokens,
        trainableParameters: adapter.parameterCount, seconds: seconds,
        tokensPerSecond: Double(options.tokens) / seconds,
        flopsPerToken: flops.scaled(by: 1 / Double(options.tokens)),
        precision: decoder.precision.rawValue, modelFLOPS: flops.total / seconds, gemmFLOPS: median(rates),
        bf16FLOPS: median(bf16Rates), shareOfGEMM: median(zip(times, rates).map { flops.total / $0 / $1 }),
        shareOfBF16: median(zip(times, bf16Rates).map { flops.total / $0 / $1 }),
        arenaBytes: arena.capacity + workers.scratchBytes, library: openBLASDescription())
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

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
