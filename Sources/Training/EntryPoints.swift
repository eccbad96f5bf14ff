public import Collectives
import Datasets
import Foundation
public import JSONText
public import Models
import Tensors
import Tokenizers

/// Trains an adapter as the config says. Every rank calls this; rank 0 writes the run's folder.
/// - Parameters:
///   - config: with model.path, data.train and output.dir.
///   - report: gets what happens, on every rank.
/// - Throws: what is wrong with config or input; `AgreedFailure` where all ranks know of it.
public func runTraining(
    config: RunConfig, options: RunOptions, world: Communicator, report: @escaping (TrainingEvent) -> Void
) throws {
    var config = config
    config.data.templateDate = try agreedDate(config, world)
    let session = try world.agree { try Session(config: config, adapter: .config) }
    let folder = try world.agree {
        try world.rank == 0
            ? RunFolder(config.output.dir!, overwrite: options.overwrite, configText: options.configText(config)) : nil
    }
    var trainer = try Trainer(session, world: world, options: options) { event in
        try folder?.metrics.write(event)
        report(event)
    }
    if options.debug { try trainer.checkGradients { report(.warning($0)) } }
    try trainer.run(folder: folder)
}

/// The day that chat templates print: the config's, or today on rank 0.
private func agreedDate(_ config: RunConfig, _ world: Communicator) throws -> String {
    if let date = config.data.templateDate { return date }
    let today = Date.now.formatted(.iso8601.year().month().day())
    return String(decoding: try world.broadcast(Array(today.utf8)), as: UTF8.self)
}

/// The held-out loss of a model, and with an adapter if there is one.
public struct EvaluationReport: Sendable {
    /// What was found in the data: one line each.
    public let dataReport: [String]
    public let base: LossSum
    public let adapted: LossSum?
}

/// Evaluates the base, and an adapter if given, on the config's held-out data.
/// - Parameter adapter: the folder of a PEFT adapter.
public func runEvaluation(
    config: RunConfig, adapter: String?, options: RunOptions, world: Communicator
) throws -> EvaluationReport {
    var config = config
    config.data.templateDate = try agreedDate(config, world)
    let session = try world.agree { try Session(config: config, adapter: adapter.map { .folder($0) } ?? .none) }
    let threads = threadCount(requested: options.threads ?? config.training.threads, localRanks: world.localSize)
    let (data, rows) = try heldOut(session, world, threads)
    let cut = StepEngine.Cut(
        microBatchTokens: config.training.microBatchTokens, microBatchesPerStep: max(1, world.size))
    let sizes = data.sizes(of: rows)
    let pieces = cut.pieces(sizes)
    let decoder = Decoder(base: session.base, adapter: session.adapter, positions: config.data.maxLength)
    let bytes = decoder.evaluationArenaBytes(
        tokens: pieces.map { $0.reduce(0) { $0 + sizes[$1].tokens } }.max() ?? 0,
        trained: pieces.map { $0.reduce(0) { $0 + sizes[$1].trained } }.max() ?? 0)
    let engine = StepEngine(
        decoder: decoder, workers: Workers(count: threads), arena: Arena(bytes: bytes), world: world, cut: cut)
    let base = try engine.evaluate(sizes, usesAdapter: false, load: data.loader(rows))
    let adapted = session.adapter == nil ? nil : try engine.evaluate(sizes, usesAdapter: true, load: data.loader(rows))
    return EvaluationReport(dataReport: data.report, base: base, adapted: adapted)
}

private func heldOut(_ session: Session, _ world: Communicator, _ threads: Int) throws -> (TrainingData, [Int]) {
    let config = session.config
    if let share = config.data.evalSplit {
        let data = try TrainingData(
            config.data.train, name: "data.train", session: session, world: world, threads: threads)
        let used = data.usedRows
        try world.agree {
            if used.count < 2 {
                throw ConfigError(key: "data.eval_split", reason: "needs at least 2 examples, found \(used.count)")
            }
        }
        let held = BatchPlan.heldOut(count: used.count, share: share, seed: UInt64(config.training.seed)).heldOut
        return (data, held.map { used[$0] })
    }
    let data = try TrainingData(config.data.eval, name: "data.eval", session: session, world: world, threads: threads)
    try world.agree { try DataSummary(data.sizes).check(name: data.name, maxLength: config.data.maxLength) }
    return (data, data.usedRows)
}

/// What `runGeneration` answers.
public enum Prompt: Sendable {
    /// A conversation, rendered by the chat template with the start of an answer.
    case messages([JSON])
    /// Text that goes on as it is.
    case text(String)
}

/// Continues prompts with a model, and an adapter if given, in one process.
/// - Returns: the text of each answer, without the token that ended it.
public func runGeneration(
    config: RunConfig, adapter: String?, prompts: [Prompt], sampling: Sampling, options: RunOptions
) throws -> [String] {
    var config = config
    config.data.templateDate = try agreedDate(config, .alone())
    let session = try Session(config: config, adapter: adapter.map { .folder($0) } ?? .none)
    let encoded = try prompts.map { try session.encode($0) }
    let stop = StopTokens(
        tokenizer: session.tokenizer, endTokenIDs: session.base.config.endTokens).ids
    let threads = threadCount(requested: options.threads ?? config.training.threads, localRanks: 1)
    let generator = Generator(
        base: session.base, adapter: session.adapter, workers: Workers(count: threads), stopTokens: stop)
    return generator.answers(encoded, sampling: sampling).map {
        String(decoding: session.tokenizer.decode($0, skipSpecialTokens: true), as: UTF8.self)
    }
}
