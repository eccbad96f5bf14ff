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
    let options: RunOptions
    let train: TrainingData
    let heldOut: TrainingData?
    /// Rows of `heldOut`.
    let heldOutRows: [Int]
    let plan: BatchPlan
    let schedule: LearningRateSchedule
    let totalSteps: Int
    let engine: StepEngine
    let report: (TrainingEvent) throws -> Void
    private var optimizer: Optimizer
    private let sums: ExactSums
    private var best: (record: EvaluationRecord, values: [UInt8])?
    private var evaluationsWithoutGain = 0

    private var config: TrainingConfig { session.config.training }
    private var adapter: Adapter { session.adapter! }

    init(
        _ session: Session, world: Communicator, options: RunOptions, report: @escaping (TrainingEvent) throws -> Void
    ) throws {
        self.session = session
        self.world = world
        self.options = options
        self.report = report
        let config = session.config
        let threads = threadCount(requested: options.threads ?? config.training.threads, localRanks: world.localSize)
        let workers = Workers(count: threads)

        let data = try TrainingData(
            config.data.train, name: "data.train", session: session, world: world, threads: threads)
        train = data
        (heldOut, heldOutRows, plan) = try Self.split(data, session, world, threads)
        totalSteps =
            config.training.maxSteps ?? Int((config.training.epochs * Double(plan.stepsPerEpoch)).rounded(.up))
        schedule = LearningRateSchedule(config.training, totalSteps: totalSteps)

        let adapter = session.adapter!
        optimizer = Optimizer(values: adapter.values, config: config.training)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(
            microBatchTokens: config.training.microBatchTokens, microBatchesPerStep: config.training.microBatchesPerStep)
        let largest = Self.largestPiece(plan, data, steps: totalSteps, cut: cut)
        let held = heldOut.map { held in Self.largest(cut.pieces(held.sizes(of: heldOutRows)), held.sizes(of: heldOutRows)) }
        let decoder = Decoder(base: session.base, adapter: adapter, positions: config.data.maxLength)
        let bytes = max(
            decoder.trainingArenaBytes(
                tokens: largest.tokens, trained: largest.trained, hasDropout: config.lora.loraDropout > 0),
            held.map { decoder.evaluationArenaBytes(tokens: $0.tokens, trained: $0.trained) } ?? 0)
        engine = StepEngine(decoder: decoder, workers: workers, arena: Arena(bytes: bytes), world: world, cut: cut)
    }

    /// The held-out rows, from their own files or a share of the training rows, and the plan of the others.
    private static func split(
        _ data: TrainingData, _ session: Session, _ world: Communicator, _ threads: Int
    ) throws -> (TrainingData?, [Int], BatchPlan) {
        let config = session.config
        let seed = UInt64(config.training.seed)
        func plan(_ rows: [Int]) -> BatchPlan {
            BatchPlan(
                rows: rows, batchSize: config.training.globalBatchSize, seed: seed, shuffles: config.data.shuffle)
        }
        let summary = DataSummary(data.sizes)
        try world.agree { try summary.check(name: data.name, maxLength: config.data.maxLength) }
        if let share = config.data.evalSplit {
            let used = data.usedRows
            try world.agree {
                if used.count < 2 {
                    throw ConfigError(key: "data.eval_split", reason: "needs at least 2 examples, found \(used.count)")
                }
            }
            let (training, held) = BatchPlan.heldOut(count: used.count, share: share, seed: seed)
            return (data, held.map { used[$0] }, plan(training.map { used[$0] }))
        }
        guard !config.data.eval.isEmpty else { return (nil, [], plan(data.usedRows)) }
        let held = try TrainingData(
            config.data.eval, name: "data.eval", session: session, world: world, threads: threads)
        try world.agree { try DataSummary(held.sizes).check(name: held.name, maxLength: config.data.maxLength) }
        return (held, held.usedRows, plan(data.usedRows))
    }

    /// The most tokens, and the most trained ones, of any micro-batch of the run.
    private static func largestPiece(
        _ plan: BatchPlan, _ data: TrainingData, steps: Int, cut: StepEngine.Cut
    ) -> (tokens: Int, trained: Int) {
        var most = (tokens: 0, trained: 0)
        for step in 0..<steps {
            let sizes = data.sizes(of: plan.batch(step))
            let piece = largest(cut.pieces(sizes), sizes)
            most = (max(most.tokens, piece.tokens), max(most.trained, piece.trained))
        }
        return most
    }

    private static func largest(_ pieces: [[Int]], _ sizes: [ExampleSize]) -> (tokens: Int, trained: Int) {
        pieces.reduce((0, 0)) { most, piece in
            (
                max(most.0, piece.reduce(0) { $0 + sizes[$1].tokens }),
                max(most.1, piece.reduce(0) { $0 + sizes[$1].trained })
            )
        }
    }

    // MARK: The run

    mutating func run(folder: RunFolder?) throws {
        try report(.started(summary))
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
            if let every = config.evalSteps, done % every == 0, try evaluate(after: done) { break }
            if done % config.saveSteps == 0, done < totalSteps { try save(folder) }
        }
        if heldOut != nil, config.evalSteps.map({ done % $0 != 0 }) ?? true { _ = try evaluate(after: done) }
        if config.loadBestModelAtEnd, let best { adapter.values.setBytes(best.values) }
        try save(folder)
        try report(
            .finished(
                FinishSummary(
                    steps: done, seconds: begin.duration(to: .now).seconds, tokens: tokens, lastLoss: last,
                    best: best?.record, adapterPath: folder?.adapterPath ?? "")))
    }

    /// One update of the adapter: gradients of a global batch, their exact sum over ranks, clipping, AdamW.
    private mutating func step(_ step: Int) throws -> StepRecord {
        let begin = ContinuousClock.now
        let rows = plan.batch(step)
        let dropout = Decoder.Dropout(
            probability: session.config.lora.loraDropout, seed: UInt64(config.seed), step: step)
        let result = try engine.train(
            train.sizes(of: rows), load: train.loader(rows), dropout: dropout, into: sums)
        try checkFinite(result, step: step, rows: rows)
        let rate = schedule[step]
        let norm = optimizer.update(sums, learningRate: rate, on: engine.workers)
        let seconds = begin.duration(to: .now).seconds
        var waits = [result.waitSeconds]
        try world.allReduceMax(&waits)
        return StepRecord(
            step: step + 1, totalSteps: totalSteps, epoch: Double(step + 1) / Double(plan.stepsPerEpoch),
            loss: result.loss.mean, learningRate: rate, gradNorm: norm, tokens: result.tokens,
            trainedTokens: Int(result.loss.tokens), seconds: seconds,
            tokensPerSecond: Double(result.tokens) / seconds, waitSeconds: waits[0])
    }

    private func checkFinite(_ result: StepSums, step: Int, rows: [Int]) throws {
        guard result.sawNonFinite || result.sawOutOfRange || !result.loss.isFinite else { return }
        let origins = rows.map { train.set.origin($0) }.map { "\($0.file):\($0.line)" }.joined(separator: ", ")
        let what = result.sawNonFinite || !result.loss.isFinite ? "is NaN or infinite" : "left the range of ±16,384"
        throw AgreedFailure(
            rank: 0, isReportedHere: world.rank == 0,
            text: "step \(step + 1): the loss or a gradient \(what); the adapter was not changed by this step. "
                + "Lower training.learning_rate, or look for bad rows in: \(origins)", exitCode: 1)
    }

    /// Returns true if training should end early.
    private mutating func evaluate(after step: Int) throws -> Bool {
        let loss = try heldOutLoss(usesAdapter: true).mean
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

    func heldOutLoss(usesAdapter: Bool) throws -> LossSum {
        try engine.evaluate(
            heldOut!.sizes(of: heldOutRows), usesAdapter: usesAdapter, load: heldOut!.loader(heldOutRows))
    }

    private func save(_ folder: RunFolder?) throws {
        try world.agree {
            if let folder { try folder.saveAdapter(adapter, session) }
        }
        if let folder { try report(.saved(path: folder.adapterPath)) }
    }

    private var summary: RunSummary {
        var hosts: [String] = []
        for host in world.hostNames where !hosts.contains(host) { hosts.append(host) }
        let pieces = engine.cut.pieces(train.sizes(of: plan.batch(0))).count
        var lines = train.report
        if let heldOut, session.config.data.evalSplit == nil { lines += heldOut.report }
        if session.config.data.evalSplit != nil {
            lines.append("held out: \(heldOutRows.count) of the examples (data.eval_split)")
        }
        if pieces % world.size != 0 {
            lines.append(
                "a step has \(pieces) micro-batches for \(world.size) ranks"
                    + (pieces < world.size ? ": \(world.size - pieces) ranks idle" : "")
                    + "; training.micro_batches_per_step: \((pieces + world.size - 1) / world.size * world.size) "
                    + "would keep all busy")
        }
        return RunSummary(
            ranks: world.size, hosts: hosts, threadsPerRank: engine.workers.count, model: session.base.description,
            trainableParameters: adapter.parameterCount,
            totalParameters: session.base.config.parameterCount + adapter.parameterCount,
            allReduceBytesPerStep: adapter.parameterCount * 8, arenaBytes: engine.arena.capacity + engine.workers.scratchBytes,
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
