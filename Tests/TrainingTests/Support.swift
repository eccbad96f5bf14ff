import Collectives
import Datasets
import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Training
import WeightFiles

/// Fixtures of the tests beside this one and of ModelsTests.
enum Fixtures {
    static let own = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures").path
    static let models = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Fixtures").path

    /// SmolLM2-135M-Instruct, which launch/model.sh fetches.
    static var smolLM2: String {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["LORA_DIST_CACHE"] ?? NSHomeDirectory() + "/.cache/lora-dist"
        return cache + "/SmolLM2-135M-Instruct.Q4_1.gguf"
    }

    static func json(_ path: String) throws -> JSON {
        try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: path))))
    }

    /// The lines of `smollm2-rows.jsonl`.
    static func smolLM2Rows() throws -> [Row] {
        try String(contentsOfFile: own + "/smollm2-rows.jsonl", encoding: .utf8).split(separator: "\n")
            .map { Row(try JSON(parsing: String($0))) }
    }
}

/// A row of an oracle.
struct Row {
    let tokens: [Int32], labels: [Int32]

    init(_ json: JSON) {
        tokens = json["tokens"]!.array!.map { Int32($0.int!) }
        labels = json["labels"]!.array!.map { Int32($0.int!) }
    }

    var size: ExampleSize {
        ExampleSize(tokens: tokens.count, trained: labels.dropFirst().count { $0 != Example.ignored })
    }
}

/// A folder of a test's own, removed with it.
final class Scratch {
    let path = FileManager.default.temporaryDirectory.appending(path: "lora-dist-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The values of an F32 tensor.
func floats(_ tensor: StoredTensor) -> [Float] {
    precondition(tensor.type == .f32)
    let bytes = tensor.bytes
    return (0..<bytes.count / 4).map {
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
    }
}

/// ‖a − b‖ / ‖b‖.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    precondition(a.count == b.count)
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
        difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
        size += Double(y) * Double(y)
    }
    return (difference / max(size, 1e-300)).squareRoot()
}

/// ‖a‖.
func norm(_ a: [Float]) -> Double { a.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

/// max |a − b| / |b|.
func worstRelative(_ a: [Double], _ b: [Double]) -> Double {
    precondition(a.count == b.count)
    return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1) / abs($1.1)) }
}

/// An arena large enough for whatever `body` cuts from a measuring one.
func arena(for body: (Arena, Workers) -> Void) -> Arena {
    let measuring = Arena.measuring()
    body(measuring, .dry())
    return Arena(bytes: measuring.peak)
}

/// An all-linear adapter with B = 0 and A = 0.
func emptyAdapter(_ base: BaseModel, rank: Int, alpha: Double) throws -> Adapter {
    Adapter(
        groups: base.adaptableGroups, targets: base.linearPaths,
        config: AdapterConfig(r: rank, loraAlpha: alpha))
}

/// The logits at every token of one example.
func logits(_ decoder: Decoder, _ tokens: [Int32], usesAdapter: Bool, on workers: Workers) -> [Float] {
    var batch = PackedBatch()
    batch.append(tokens: tokens, labels: tokens, key: 0)
    let arena = arena {
        _ = decoder.logits(batch, rows: Array(tokens.indices), usesAdapter: usesAdapter, arena: $0, on: $1)
    }
    return withExtendedLifetime(arena) {
        decoder.logits(batch, rows: Array(tokens.indices), usesAdapter: usesAdapter, arena: arena, on: workers).elements
    }
}

/// A training loop over the rows of an oracle, made of the parts that `Trainer` uses.
struct OracleLoop {
    let rows: [Row]
    let engine: StepEngine
    let schedule: LearningRateSchedule
    let sums: ExactSums
    private var optimizer: Optimizer
    private(set) var losses: [Double] = [], norms: [Double] = [], rates: [Double] = [], trained: [Int] = []
    /// Called after a step's gradients are summed and before they are clipped, with the step from 0.
    var inspect: (Int, ExactSums) -> Void = { _, _ in }

    /// - Parameters:
    ///   - numbers: the hyperparameters of an oracle.
    ///   - rows: of all batches.
    ///   - base: what is adapted.
    ///   - adapter: as it is before the first step.
    ///   - cut: small, so that a step has several micro-batches of several packed examples.
    init(_ numbers: JSON, rows: [Row], base: BaseModel, adapter: Adapter, cut: StepEngine.Cut) {
        self.rows = rows
        var config = TrainingConfig()
        config.learningRate = numbers["learning_rate"]!.double!
        config.warmup = .steps(numbers["warmup_steps"]!.int!)
        config.weightDecay = numbers["weight_decay"]!.double!
        config.maxGradNorm = numbers["max_grad_norm"]!.double!
        config.adamBeta1 = numbers["betas"]!.array![0].double!
        config.adamBeta2 = numbers["betas"]!.array![1].double!
        config.adamEpsilon = numbers["epsilon"]!.double!
        config.scheduler = .linear
        config.loraPlusRatio = numbers["loraplus_lr_ratio"]?.double ?? 1
        schedule = LearningRateSchedule(config, totalSteps: numbers["steps"]!.int!)
        optimizer = Optimizer(values: adapter.values, config: config)
        sums = ExactSums(adapter.values.layout)
        let decoder = Decoder(
            base: base, adapter: adapter, positions: rows.map(\.tokens.count).max()!,
            labelSmoothing: numbers["label_smoothing_factor"]?.double ?? 0)
        let tokens = rows.reduce(0) { $0 + $1.tokens.count }
        let largest = min(tokens, max(cut.microBatchTokens, rows.map(\.tokens.count).max()!))
        engine = StepEngine(
            decoder: decoder, workers: Workers(count: 2),
            arena: Arena(
                bytes: decoder.trainingArenaBytes(
                    MicroBatchSize(tokens: largest, trained: largest, segments: rows.count), hasDropout: false)),
            world: .alone(), cut: cut)
    }

    /// One step on the rows with these numbers.
    mutating func step(_ batch: [Int]) throws {
        let result = try engine.train(
            batch.map { rows[$0].size },
            load: { (Example(tokens: rows[batch[$0]].tokens, labels: rows[batch[$0]].labels), UInt32(batch[$0])) },
            dropout: nil, into: sums)
        inspect(losses.count, sums)
        let rate = schedule[losses.count]
        norms.append(optimizer.update(sums, learningRate: rate, on: engine.workers))
        rates.append(rate)
        losses.append(result.loss.mean)
        trained.append(Int(result.loss.tokens))
    }
}
