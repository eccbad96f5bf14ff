import Collectives
import Datasets
import Models

/// The rows that a run trains on and holds out, and in which steps.
struct RunData {
    let train: TrainingData
    let heldOut: TrainingData?
    /// Rows of `heldOut`.
    let heldOutRows: [Int]
    let plan: BatchPlan
    let totalSteps: Int

    /// Opens and measures the files, each rank its share of the rows.
    init(_ session: Session, world: Communicator, threads: Int) throws {
        let config = session.config
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
        train.reasonNotToShare =
            config.lora.loraDropout > 0
            ? "dropout is on" : config.training.neftuneAlpha > 0 ? "neftune_noise_alpha is above 0" : nil
        self.train = train
        plan = BatchPlan(
            rows: rows, batchSize: config.training.globalBatchSize, seed: UInt64(config.training.seed),
            shuffles: config.data.shuffle)
        totalSteps =
            config.training.maxSteps
            ?? Int(min((config.training.epochs * Double(plan.stepsPerEpoch)).rounded(.up), Double(Int32.max)))
    }

    /// Tokens of the longest example that is trained on or held out.
    var longest: Int { max(train.longest, heldOut?.longest ?? 1) }

    /// The sizes of the held-out examples.
    var heldOutSizes: [ExampleSize] { heldOut?.sizes(of: heldOutRows) ?? [] }
}

extension StepEngine.Cut {
    /// The most tokens, trained tokens and segments of any micro-batch of a run. Of very long runs a bound: no micro-batch is
    /// larger than the limit, or than the longest example.
    /// - Parameters:
    ///   - plan: which rows each step trains.
    ///   - steps: of the run.
    ///   - longest: tokens of the longest example.
    ///   - sizes: gives the sizes of rows.
    /// - Returns: each at its most.
    func largest(
        of plan: BatchPlan, steps: Int, longest: Int, sizes: (_ rows: [Int]) -> [ExampleSize]
    ) -> MicroBatchSize {
        if steps > 20_000 || steps * plan.batchSize > 1_000_000 {
            let bound = max(microBatchTokens, longest)
            return MicroBatchSize(tokens: bound, trained: bound, segments: min(bound, 2 * plan.batchSize))
        }
        var most = MicroBatchSize()
        for step in 0..<steps { most.cover(largest(sizes(plan.batch(step)))) }
        return most
    }
}

extension Decoder {
    /// The arena of a run: what its largest micro-batch of a step, or of an evaluation, needs.
    func arenaBytes(training: MicroBatchSize, evaluation: MicroBatchSize, hasDropout: Bool) -> Int {
        max(trainingArenaBytes(training, hasDropout: hasDropout), evaluationArenaBytes(evaluation))
    }
}
