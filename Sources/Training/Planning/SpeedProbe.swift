import Foundation
import LoRA
import Models
import Synchronization
import Tensors

/// Measures what a micro-batch of a run takes: some layers of the model's own shape, formats and adapter with random numbers, and a
/// part of its head, by the code that trains.
struct SpeedProbe {
    let config: RunConfig
    let base: BaseModel
    let adapter: Adapter
    let work: PlannedWork
    let threads: Int
    /// Threads of other ranks of this machine, which are kept busy meanwhile: cores that share a clock, a cache or their units are
    /// slower together than alone.
    let others: Int

    /// Seconds that one run of the larger micro-batch should take, layers and head; and after which no further round of runs begins,
    /// but two there always are.
    private static let layerSeconds = 0.7, headSeconds = 0.4, allSeconds = 2.0
    /// Of raw products, what a step is taken to reach before it is measured.
    private static let guess = 0.7

    struct Result {
        let times: PieceTimes
        let rawFLOPS: Double, stepFLOPS: Double
        let layers: Int, tokens: Int, seconds: Double
    }

    func measure() throws -> Result {
        let begin = ContinuousClock.now
        let workers = Workers(count: threads)
        defer { workers.stop() }
        let load = OtherRanks(threads: others)
        defer { load.stop() }
        let isBF16 = config.model.precision == .bf16
        let raw = median((0..<3).map { _ in isBF16 ? measureBF16GEMM(on: workers) : measureGEMM(on: workers) })
        let whole = Decoder(planning: config, base: base, adapter: adapter, positions: work.longest)
        let sizes = Sizes(whole, work.meanPiece, rate: Self.guess * raw)
        let sample = base.sample(layers: sizes.layers, vocabulary: sizes.vocabulary, on: workers)
        let own = try Session.adapter(of: Self.sampleConfig(config, adapter), for: sample, isPlanned: true).0
        own.initialize(seed: 1)
        // A cut of a micro-batch may be longer than any example.
        let decoder = Decoder(
            planning: config, base: sample, adapter: own, positions: max(work.longest, sizes.lengths.max()!))
        // What runs for the first time touches memory for the first time.
        decoder.prepare(on: workers)
        let norms = seconds { decoder.prepare(on: workers) }
        own.setMagnitudesToNorms()

        let (small, large) = (sizes.batch(part: 4), sizes.batch(part: 1))
        let arena = Arena(
            bytes: decoder.trainingArenaBytes(MicroBatchSize(large), hasDropout: config.lora.loraDropout > 0))
        let sums = ExactSums(own.values.layout)
        var optimizer = Optimizer(values: own.values, config: config.training)
        func time(_ batch: PackedBatch) -> Phases {
            let clock = PhaseClock()
            let dropout = Decoder.Dropout(probability: config.lora.loraDropout, seed: 1, step: 0)
            _ = decoder.train(
                batch, factor: 1e-3, dropout: dropout, addingTo: sums, arena: arena, on: workers, clock: clock)
            return Phases(clock)
        }
        var (smalls, larges, updates): ([Phases], [Phases], [Double]) = ([], [], [])
        // As in a step, an update comes after a micro-batch, which has used the caches for other things.
        func timeUpdate() -> Double {
            seconds {
                _ = optimizer.update(sums, learningRate: 1e-6, on: workers)
                _ = own.values.hasNonFinite(in: 0..<own.values.layout.count)
                sums.zero()
            }
        }
        while larges.count < 2 || (begin.duration(to: .now).seconds < Self.allSeconds && larges.count < 12) {
            larges.append(time(large))
            updates.append(timeUpdate())
            smalls.append(time(small))
            updates.append(timeUpdate())
        }
        let (less, more) = (Phases.typical(of: smalls), Phases.typical(of: larges))

        // The whole has more layers, of which some may be adapted otherwise, and a longer head, which may be trained.
        let flops = (of: decoder.layerFLOPs(sizes.lengths), all: whole.layerFLOPs(sizes.lengths))
        let headFLOPs = (of: decoder.headFLOPs(trained: 1), all: whole.headFLOPs(trained: 1))
        let layers = PieceTimes.Line(
            (Double(small.tokens.count), less.layers), (Double(large.tokens.count), more.layers))
        let head = PieceTimes.Line((Double(small.targets.count), less.head), (Double(large.targets.count), more.head))
        let size = base.config.heads * base.config.headSize * base.config.layers
        let stepFLOPS = flops.of / more.layers
        let times = PieceTimes(
            layers: layers.scaled(by: flops.all / flops.of),
            head: head.scaled(by: headFLOPs.all / headFLOPs.of),
            pair: 12 * Double(size) / stepFLOPS,
            pairsPerToken: sizes.lengths.reduce(0) { $0 + Double($1) * Double($1 + 1) / 2 }
                / Double(large.tokens.count),
            // Layers that are not adapted run forward alike.
            forwardShare: more.forward / more.layers * Double(base.config.layers) / Double(sizes.layers)
                / (flops.all / flops.of),
            headForwardShare: 1 / Double(whole.headProducts),
            update: median(Array(updates.dropFirst())) * Double(adapter.values.layout.count)
                / Double(max(1, own.values.layout.count)) + norms * Double(base.config.layers) / Double(sizes.layers))
        return Result(
            times: times, rawFLOPS: raw, stepFLOPS: stepFLOPS, layers: sizes.layers, tokens: large.tokens.count,
            seconds: begin.duration(to: .now).seconds)
    }

    /// The config with an adapter of the same kinds of modules and the commonest rank, whatever the layer.
    private static func sampleConfig(_ config: RunConfig, _ adapter: Adapter) -> RunConfig {
        var config = config
        let kinds = adapter.modules.map { String($0.path.split(separator: ".").last!) }
        config.lora.targetModules = .suffixes(Set(kinds).sorted())
        config.lora.excludeModules = nil
        config.lora.layersToTransform = []
        config.lora.initAdapter = nil
        config.lora.useDoRA = adapter.norms != nil
        config.lora.bias = adapter.biases.isEmpty ? .none : .all
        config.lora.modulesToSave = []
        config.output.savePiSSAAs = .lora
        var ranks: [Int: Int] = [:]
        for module in adapter.modules { ranks[module.rank, default: 0] += 1 }
        config.lora.r = ranks.max { ($0.value, $0.key) < ($1.value, $1.key) }!.key
        config.lora.rankPattern = ModulePatterns()
        config.lora.alphaPattern = ModulePatterns()
        return config
    }
}

/// Seconds of a micro-batch's phases.
struct Phases: Equatable {
    var forward: Double, head: Double, backward: Double
    var layers: Double { forward + backward }
    var all: Double { layers + head }

    /// Of runs of the same work, of which there must be one at least, the middle one by its length after the longest is left out, most
    /// often the first, which touches memory for the first time. Where two are in the middle, the shorter, since whatever else a machine
    /// does makes a run longer: of two or three the shortest of all.
    static func typical(of runs: [Phases]) -> Phases {
        runs.sorted { $0.all < $1.all }[max(0, runs.count / 2 - 1)]
    }
}

extension Phases {
    fileprivate init(_ clock: PhaseClock) {
        self.init(
            forward: clock[.forward].seconds, head: clock[.head].seconds, backward: clock[.backward].seconds)
    }
}

extension Decoder {
    /// Operations of a training step in the layers.
    fileprivate func layerFLOPs(_ lengths: [Int]) -> Double {
        let flops = trainingFLOPs(exampleLengths: lengths, trained: 0)
        return flops.total - flops.head
    }
}

extension SpeedProbe {
    /// How much of a model and of a micro-batch is measured, so that it takes about so long.
    struct Sizes {
        let layers: Int, vocabulary: Int
        /// Tokens of the examples, and predictions that are trained.
        let lengths: [Int]
        let trained: Int
        private let words: Int

        /// - Parameters:
        ///   - whole: the decoder of the run.
        ///   - piece: a micro-batch of mean size.
        ///   - rate: operations a second that a step is taken to reach.
        init(_ whole: Decoder, _ piece: PlannedWork.Piece, rate: Double) {
            let config = whole.base.config
            let examples = max(1, min(piece.examples, piece.tokens / 2))
            func cut(_ tokens: Int) -> [Int] {
                let count = max(1, min(examples, (examples * tokens + piece.tokens - 1) / piece.tokens))
                return (0..<count).map { tokens * ($0 + 1) / count - tokens * $0 / count }
            }
            let layer = { whole.layerFLOPs(cut($0)) / Double(config.layers) / rate }
            var tokens = piece.tokens
            while tokens > 64, layer(tokens) > 2 * SpeedProbe.layerSeconds { tokens = max(64, tokens * 3 / 4) }
            layers = max(1, min(config.layers, Int(SpeedProbe.layerSeconds / layer(tokens))))
            lengths = cut(tokens)
            let row = 4 * Double(config.hidden) / rate
            var trained = max(1, min(piece.trained, tokens - lengths.count))
            if whole.base.headIsTakenWhole {
                vocabulary = config.vocabulary
                let most = SpeedProbe.headSeconds / (row * Double(vocabulary))
                trained = max(1, min(trained, max(16, Int(most))))
            } else {
                let most = SpeedProbe.headSeconds / (row * Double(trained))
                vocabulary = min(config.vocabulary, max(4096, Int(most) / 512 * 512))
            }
            self.trained = trained
            words = vocabulary
        }

        /// A micro-batch of a part of the tokens, 1 for all.
        func batch(part: Int) -> PackedBatch {
            let count = max(1, lengths.count / part)
            let shortens = lengths.count < part ? max(1, part / lengths.count) : 1
            var left = max(1, trained / part)
            var batch = PackedBatch()
            for (key, whole) in lengths.prefix(count).enumerated() {
                let length = max(2, whole / shortens)
                let tokens = (0..<length).map { Int32(($0 * 7919 + key * 104_729) % words) }
                // Trained are the last ones, as of an answer; near-equally many of each example.
                let own = min(length - 1, (left + count - key - 1) / (count - key))
                left -= own
                let labels = tokens.indices.map { $0 >= length - own ? tokens[$0] : -100 }
                batch.append(tokens: tokens, labels: labels, key: UInt32(key))
            }
            return batch
        }
    }
}

/// Threads that multiply until they are stopped, as those of other ranks do.
private final class OtherRanks: Sendable {
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    private let count: Int

    init(threads: Int) {
        count = threads
        for _ in 0..<threads {
            let thread = Thread { [self] in
                let workers = Workers(count: 1)
                while !isStopping.load(ordering: .relaxed) { _ = measureGEMM(on: workers) }
                ended.signal()
            }
            thread.start()
        }
    }

    /// Waits for their end.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        for _ in 0..<count { ended.wait() }
    }
}
