import Collectives
import Datasets
import Foundation
import LoRA
import Models
import Tensors

/// A run from its first step to its last.
struct Trainer {
    let session: Session
    let placement: StatePlacement
    let world: Communicator
    let train: TrainingData
    let heldOut: TrainingData?
    /// Rows of `heldOut`.
    let heldOutRows: [Int]
    let plan: BatchPlan
    let schedule: LearningRateSchedule
    let totalSteps: Int
    let engine: StepEngine
    /// Whether what is kept for the backward pass was chosen here (`activation_checkpointing: auto`).
    let isChosen: Bool
    let isDebugging: Bool
    let stop: StopRequest
    let deadline: StopDeadline?
    var optimizer: Optimizer
    let sums: ExactSums
    /// How far the run has come.
    var progress = RunProgress()
    /// On rank 0, the adapter of the best evaluation, as `ParameterSlab.bytes`; empty if it is not to be kept.
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

    init(_ given: Session, _ placement: StatePlacement, world: Communicator, options: RunOptions) throws {
        var session = given
        self.placement = placement
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
        optimizer = try Optimizer(values: adapter.values, config: config.training, placement: placement)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(config.training)
        let workers = Workers(count: threads)
        let board = world.board
        workers.onJob = { board.tick() }
        let decoder = Decoder(
            base: session.base, adapter: adapter, positions: max(train.longest, heldOut?.longest ?? 1),
            precision: config.model.precision, labelSmoothing: config.training.labelSmoothing)
        let heldOutSizes = heldOut?.sizes(of: heldOutRows) ?? []
        let largest = (
            training: Self.largestPiece(plan, train, steps: totalSteps, cut: cut),
            evaluation: cut.largest(heldOutSizes, chunk: StepEngine.Cut.evaluationChunk)
        )
        func bytes(_ decoder: Decoder) -> Int {
            max(
                decoder.trainingArenaBytes(largest.training, hasDropout: config.lora.loraDropout > 0),
                decoder.evaluationArenaBytes(largest.evaluation))
        }
        let memory = MemoryNeed(decoder, workers, placement, world)
        let (kept, arenaBytes) = try memory.choose(config.training.activationCheckpointing) {
            bytes(decoder.keeping($0))
        }
        session.config.training.activationCheckpointing = kept.config
        try memory.check(arenaBytes, tokens: max(cut.microBatchTokens, train.longest), kept)
        engine = StepEngine(
            decoder: decoder.keeping(kept), workers: workers, arena: Arena(bytes: arenaBytes), world: world, cut: cut)
        isChosen = config.training.activationCheckpointing == .auto
        self.session = session
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
