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
    let isDebugging: Bool
    let stop: StopRequest
    let deadline: StopDeadline?
    var optimizer: Optimizer
    let sums: ExactSums
    /// How far the run has come.
    var progress = RunProgress()
    /// The adapter of the best evaluation, as `ParameterSlab.bytes`; empty if it is not to be kept.
    var bestValues: [UInt8] = []
    /// Saves checkpoints, on rank 0 only.
    var saver: RunSaver?
    /// What readers see of the run, on rank 0 only.
    var status: StatusFile?
    /// The steps of the checkpoint that rank 0 is writing.
    var pendingSave: Int?
    /// The most seconds from the end of one step to that of the next.
    var longestInterval = 0.0

    var config: TrainingConfig { session.config.training }
    var adapter: Adapter { session.adapter! }

    init(_ session: Session, world: Communicator, options: RunOptions) throws {
        self.session = session
        self.world = world
        isDebugging = options.debug
        stop = options.stop
        deadline = options.deadline
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
        schedule = LearningRateSchedule(config.training, totalSteps: totalSteps)

        let adapter = session.adapter!
        optimizer = Optimizer(values: adapter.values, config: config.training)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(config.training)
        let decoder = Decoder(
            base: session.base, adapter: adapter, positions: max(train.longest, heldOut?.longest ?? 1),
            precision: config.model.precision,
            checkpoints: config.training.activationCheckpointing == .block,
            labelSmoothing: config.training.labelSmoothing)
        let bytes = Self.arenaBytes(
            decoder, plan, train, steps: totalSteps, heldOut: heldOut?.sizes(of: heldOutRows) ?? [], cut: cut,
            hasDropout: config.lora.loraDropout > 0)
        let workers = Workers(count: threads)
        let board = world.board
        workers.onJob = { board.tick() }
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
}
