import Collectives
import Datasets
import Foundation
import LoRA
import Models
import Tensors

/// A run from its first step to its last.
struct Trainer {
    let session: Session
    let world: Communicator
    let train: TrainingData
    let heldOut: TrainingData?
    /// Rows of `heldOut`.
    let heldOutRows: [Int]
    let plan: BatchPlan
    let schedule: LearningRateSchedule
    let totalSteps: Int
    let engine: StepEngine
    private let isDebugging: Bool
    private var optimizer: Optimizer
    private let sums: ExactSums
    private var best: (record: EvaluationRecord, values: [UInt8])?
    private var evaluationsWithoutGain = 0

    private var config: TrainingConfig { session.config.training }
    private var adapter: Adapter { session.adapter! }

    init(_ session: Session, world: Communicator, options: RunOptions) throws {
        self.session = session
        self.world = world
        isDebugging = options.debug
        let config = session.config
        let threads = try world.threads(requested: options.threads ?? config.training.threads)
        var train = try TrainingData(
            config.data.train, name: "data.train", session: session, world: world, threads: threads, isTraining: true)
        var rows = train.usedRows
        if config.data.evalSplit != nil {
            let split = try HeldOutRows.split(train, session, world)
            rows = split.training
            (heldOut, heldOutRows) = (train, split.heldOut)
        } else if !config.data.eval.isEmpty {
            let held = try HeldOutRows(session, world: world, threads: threads)
            (heldOut, heldOutRows) = (held.data, held.rows)
        } else {
            (heldOut, heldOutRows) = (nil, [])
        }
        train.sharesPrefixes = config.lora.loraDropout == 0
        self.train = train
        plan = BatchPlan(
            rows: rows, batchSize: config.training.globalBatchSize, seed: UInt64(config.training.seed),
            shuffles: config.data.shuffle)
        totalSteps =
            config.training.maxSteps
            ?? Int(min((config.training.epochs * Double(plan.stepsPerEpoch)).rounded(.up), Double(Int32.max)))
        schedule = LearningRateSchedule(config.training, totalSteps: totalSteps)

        let adapter = session.adapter!
        optimizer = Optimizer(values: adapter.values, config: config.training)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(config.training)
        let decoder = Decoder(
            base: session.base, adapter: adapter, positions: max(train.longest, heldOut?.longest ?? 1),
            precision: config.model.precision,
            checkpoints: config.training.activationCheckpointing == .block)
        let bytes = Self.arenaBytes(
            decoder, plan, train, steps: totalSteps, heldOut: heldOut?.sizes(of: heldOutRows) ?? [], cut: cut,
            hasDropout: config.lora.loraDropout > 0)
        let workers = Workers(count: threads)
        let (longest, savesAll) = (
            max(cut.microBatchTokens, train.longest), config.training.activationCheckpointing == .none
        )
        try world.together {
            if let refusal = memoryRefusal(
                bytes + workers.scratchBytes, ranks: world.localSize, host: world.hostName,
                available: availableMemory(), tokens: longest, savesAll: savesAll)
            {
                throw refusal
            }
        }
        engine = StepEngine(decoder: decoder, workers: workers, arena: Arena(bytes: bytes), world: world, cut: cut)
    }

    /// What the largest micro-batch of any step or evaluation needs.
    private static func arenaBytes(
        _ decoder: Decoder, _ plan: BatchPlan, _ data: TrainingData, steps: Int, heldOut: [ExampleSize],
        cut: StepEngine.Cut, hasDropout: Bool
    ) -> Int {
        let most = largestPiece(plan, data, steps: steps, cut: cut)
        let held = cut.largest(heldOut, chunk: StepEngine.Cut.evaluationChunk)
        return max(
            decoder.trainingArenaBytes(most, hasDropout: hasDropout), decoder.evaluationArenaBytes(held))
    }

    /// The most tokens, trained tokens and segments of any micro-batch of the run. Of very long runs a bound: no micro-batch is
    /// larger than the limit, or than the longest example.
    private static func largestPiece(
        _ plan: BatchPlan, _ data: TrainingData, steps: Int, cut: StepEngine.Cut
    ) -> MicroBatchSize {
        if steps > 20_000 || steps * plan.batchSize > 1_000_000 {
            let bound = max(cut.microBatchTokens, data.longest)
            return MicroBatchSize(tokens: bound, trained: bound, segments: min(bound, 2 * plan.batchSize))
        }
        var most = MicroBatchSize()
        for step in 0..<steps {
            most.cover(cut.largest(data.sizes(of: plan.batch(step))))
        }
        return most
    }

    // MARK: The run

    /// Trains, evaluates and saves until the steps are done or held-out loss no longer falls.
    /// - Parameters:
    ///   - results: where rank 0 saves.
    ///   - report: gets each event, on every rank.
    /// - Throws: a `SharedError` where all ranks fail together; any other error where one rank fails.
    mutating func run(results: RunResults?, report: (TrainingEvent) throws -> Void) throws {
        let begin = ContinuousClock.now
        var tokens = 0
        var last = Double.nan
        var done = 0
        for step in 0..<totalSteps {
            let record = try self.step(step)
            tokens += record.tokens
            last = record.loss
            done = step + 1
            try report(.step(record))
            if let every = config.evalSteps, done % every == 0, try evaluate(after: done, report) { break }
            if done % config.saveSteps == 0, done < totalSteps { try save(results, report) }
        }
        if heldOut != nil, config.evalSteps.map({ done % $0 != 0 }) ?? true { _ = try evaluate(after: done, report) }
        if config.loadBestModelAtEnd, let best { adapter.values.setBytes(best.values) }
        try save(results, report)
        try report(
            .finished(
                FinishSummary(
                    steps: done, seconds: begin.duration(to: .now).seconds, tokens: tokens, lastLoss: last,
                    best: best?.record, adapterPath: results?.adapterPath ?? "")))
    }

    /// One update of the adapter: gradients of a global batch, their exact sum over ranks, clipping, AdamW.
    private mutating func step(_ step: Int) throws -> StepRecord {
        let begin = ContinuousClock.now
        let rows = plan.batch(step)
        let dropout = Decoder.Dropout(
            probability: session.config.lora.loraDropout, seed: UInt64(config.seed), step: step)
        let result = try engine.train(
            train.sizes(of: rows), load: train.loader(rows), dropout: dropout, into: sums)
        try checkFinite(result, step: step, rows: rows, dropout: dropout)
        let rate = schedule[step]
        let norm = optimizer.update(sums, learningRate: rate, on: engine.workers)
        if adapter.values.hasNonFinite {
            throw SharedError(
                exitCode: 1,
                description: "step \(step + 1): the update left the range of fp32; lower training.learning_rate \(rate)"
            )
        }
        let seconds = begin.duration(to: .now).seconds
        var waits = [result.waitSeconds]
        try world.allReduceMax(&waits)
        return StepRecord(
            step: step + 1, totalSteps: totalSteps, epoch: Double(step + 1) / Double(plan.stepsPerEpoch),
            loss: result.loss.mean, learningRate: rate, gradNorm: norm, tokens: result.tokens,
            trainedTokens: Int(result.loss.tokens), seconds: seconds,
            tokensPerSecond: Double(result.tokens) / seconds, waitSeconds: waits[0])
    }

    private func checkFinite(_ result: StepSums, step: Int, rows: [Int], dropout: Decoder.Dropout) throws {
        guard result.sawNonFinite || result.sawOutOfRange || !result.loss.isFinite else { return }
        let origins = rows.map { train.dataset.origin($0) }.map { "\($0.file):\($0.line)" }.joined(separator: ", ")
        let what = result.sawNonFinite || !result.loss.isFinite ? "is NaN or infinite" : "left the range of ±16,384"
        let culprit = isDebugging ? try firstNonFinite(rows, dropout: dropout) : nil
        throw SharedError(
            exitCode: 1,
            description: (culprit.map { "\($0); " } ?? "")
                + "step \(step + 1): the loss or a gradient \(what); the adapter was not changed by this step. "
                + "Lower training.learning_rate, or look for bad rows in: \(origins)")
    }

    /// Returns true if training should end early.
    private mutating func evaluate(after step: Int, _ report: (TrainingEvent) throws -> Void) throws -> Bool {
        let loss = try heldOutLoss().mean
        guard loss.isFinite else {
            throw SharedError(
                exitCode: 1, description: "the held-out loss after step \(step) is NaN or infinite; nothing was saved")
        }
        let isBest = best.map { loss < $0.record.loss } ?? true
        let record = EvaluationRecord(step: step, loss: loss, perplexity: exp(loss), isBest: isBest)
        if isBest {
            best = (record, config.loadBestModelAtEnd ? adapter.values.bytes : [])
            evaluationsWithoutGain = 0
        } else {
            evaluationsWithoutGain += 1
        }
        try report(.evaluated(record))
        return config.earlyStoppingPatience.map { evaluationsWithoutGain >= $0 } ?? false
    }

    private func heldOutLoss() throws -> LossSum {
        try engine.evaluate(heldOut!.sizes(of: heldOutRows), usesAdapter: true, load: heldOut!.loader(heldOutRows))
    }

    private func save(_ results: RunResults?, _ report: (TrainingEvent) throws -> Void) throws {
        try world.together {
            if let results { try results.saveAdapter(adapter, session) }
        }
        if let results { try report(.saved(path: results.adapterPath)) }
    }

    private func data(longerThan positions: Int) -> Bool { max(train.longest, heldOut?.longest ?? 0) > positions }

    /// What is known before the first step.
    var summary: RunSummary {
        var hosts: [String] = []
        for host in world.hostNames where !hosts.contains(host) { hosts.append(host) }
        let pieces = engine.cut.pieces(train.sizes(of: plan.batch(0))).count
        var lines = train.report
        if let heldOut, session.config.data.evalSplit == nil { lines += heldOut.report }
        if session.config.data.evalSplit != nil {
            lines.append("held out: \(heldOutRows.count) of the examples (data.eval_split)")
        }
        if data(longerThan: session.base.config.maxPositions) {
            lines.append(
                "the longest example has more tokens than the \(session.base.config.maxPositions) positions that the model was "
                    + "trained for; lower data.max_length")
        }
        if config.globalBatchSize < world.size {
            lines.append(
                "\(world.size - config.globalBatchSize) ranks idle: training.global_batch_size is \(config.globalBatchSize) for "
                    + "\(world.size) ranks; raise it to use them all")
        } else if pieces % world.size != 0 {
            lines.append(
                "a step has \(pieces) micro-batches for \(world.size) ranks"
                    + (pieces < world.size ? ", \(world.size - pieces) ranks idle" : "")
                    + "; training.micro_batches_per_step: \((pieces + world.size - 1) / world.size * world.size) "
                    + "would keep all busy")
        }
        return RunSummary(
            ranks: world.size, hosts: hosts, threadsPerRank: engine.workers.count, model: session.base.description,
            trainableParameters: adapter.parameterCount,
            totalParameters: session.base.config.parameterCount + adapter.parameterCount,
            allReduceBytesPerStep: adapter.parameterCount * 8,
            arenaBytes: engine.arena.capacity + engine.workers.scratchBytes,
            totalSteps: totalSteps, dataReport: lines)
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension BaseModel {
    /// Name and form, for the log.
    var description: String {
        let form = gguf == nil ? "Hugging Face folder" : "GGUF"
        return "\(name) (\(form), \(config.layers) layers, hidden \(config.hidden), \(head.format))"
    }
}
