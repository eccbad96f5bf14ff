public import Collectives
import Datasets
import Foundation
public import JSONText
import LoRA
import Models
import Tensors
import Tokenizers

/// Evaluates a model on held-out data.
/// - Parameters:
///   - config: a config with `model.path` and held-out data.
///   - options: what the command line adds.
///   - world: the ranks; each calls this.
///   - report: gets warnings, on rank 0 only.
/// - Returns: the losses, the same on all ranks.
/// - Throws: a `SharedError` where all ranks fail together; any other error where one rank fails.
public func runEvaluation(
    config: RunConfig, options: EvaluationOptions, world: Communicator, report: (TrainingEvent) -> Void
) throws -> EvaluationResult {
    let config = try agreed(config, world)
    let base = try openBase(config, world)
    let session = try world.together { try Session(config: config, base: base, adapterFolder: options.adapter) }
    let threads = try world.threads(requested: options.threads ?? config.training.threads)
    let held = try HeldOutRows(session, world: world, threads: threads)
    let (data, rows) = (held.data, held.rows)
    let sizes = data.sizes(of: rows)
    let cut = StepEngine.Cut(session.config.training)
    let largest = cut.largest(sizes, chunk: StepEngine.Cut.evaluationChunk)
    if let warning = try slowPrecisionWarning(config, world), world.rank == 0 { report(.warning(warning)) }
    let decoder = Decoder(
        base: session.base, adapter: session.adapter, positions: data.longest, precision: config.model.precision)
    let engine = StepEngine(
        decoder: decoder, workers: Workers(count: threads),
        arena: Arena(bytes: decoder.evaluationArenaBytes(largest)),
        world: world,
        cut: cut)
    let plain = try engine.evaluate(sizes, usesAdapter: false, load: data.loader(rows))
    let adapted = try session.adapter.map { _ in
        try engine.evaluate(sizes, usesAdapter: true, load: data.loader(rows))
    }
    guard plain.isFinite, adapted?.isFinite ?? true else {
        throw SharedError(exitCode: 1, description: "the loss is NaN or infinite; are base and adapter sound?")
    }
    return EvaluationResult(
        examples: rows.count, tokens: sizes.reduce(0) { $0 + $1.tokens }, trainedTokens: Int(plain.tokens),
        baseLoss: plain.mean, adapterLoss: adapted?.mean)
}

/// Answers conversations.
/// - Parameters:
///   - config: a config with `model.path`.
///   - options: how answers are made.
///   - conversations: for each its messages, objects with role and content; the model speaks next.
///   - world: the ranks; each calls this, rank 0 does the work.
///   - emit: gets the answers in order when all are done, on rank 0 only.
/// - Throws: a `SharedError` where all ranks fail together; any other error where one rank fails.
public func runGeneration(
    config: RunConfig, options: GenerationOptions, conversations: [[JSON]], world: Communicator,
    emit: (Answer) throws -> Void
) throws {
    let config = try agreed(config, world)
    let base = try openBase(config, world)
    let session = try world.together { try Session(config: config, base: base, adapterFolder: options.adapter) }
    let (prompts, stops) = try world.together {
        let encoder = try PromptEncoder(
            tokenizer: session.tokenizer, template: session.template, options: session.dataOptions)
        let prompts = try conversations.map { try encoder.tokens(of: $0) }
        if let empty = prompts.firstIndex(where: \.isEmpty) {
            throw InputError(
                session.base.path, reason: "the chat template gives no text for prompt \(empty + 1); nothing to answer")
        }
        return (prompts, encoder.stopTokens)
    }
    let own = AffinityMask.own()
    guard world.rank == 0 else { return }
    let begin = ContinuousClock.now
    let threads = options.threads ?? config.training.threads ?? own.cores()
    let generator = Generator(
        base: session.base, adapter: session.adapter, workers: Workers(count: threads), stopTokens: stops,
        precision: config.model.precision)
    let answers = generator.answers(prompts, sampling: Sampling(options))
    let seconds = begin.duration(to: .now).seconds
    for (index, answer) in answers.enumerated() {
        try emit(
            Answer(
                prompt: index, text: session.tokenizer.decode(answer.tokens, skipSpecialTokens: true),
                promptTokens: prompts[index].count, answerTokens: answer.tokens.count, isComplete: answer.isComplete,
                seconds: seconds))
    }
}

extension Sampling {
    fileprivate init(_ options: GenerationOptions) {
        self.init()
        maxNewTokens = options.maxNewTokens
        temperature = options.temperature
        topP = options.topP
        topK = options.topK
        seed = UInt64(options.seed)
    }
}
