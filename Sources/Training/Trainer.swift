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
        let data = try RunData(session, world: world, threads: threads)
        (train, heldOut, heldOutRows, plan, totalSteps) = (
            data.train, data.heldOut, data.heldOutRows, data.plan, data.totalSteps
        )
        schedule = LearningRateSchedule(config.training, totalSteps: totalSteps)

        let adapter = session.adapter!
        optimizer = try Optimizer(values: adapter.values, config: config.training, placement: placement)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(config.training)
        let workers = Workers(count: threads)
        let board = world.board
        workers.onJob = { board.tick() }
        let decoder = Decoder(
            base: session.base, adapter: adapter, positions: data.longest,
            precision: config.model.precision, labelSmoothing: config.training.labelSmoothing)
        let largest = (
            training: cut.largest(of: plan, steps: totalSteps, longest: train.longest, sizes: train.sizes(of:)),
            evaluation: cut.largest(data.heldOutSizes, chunk: StepEngine.Cut.evaluationChunk)
        )
        var memory = MemoryNeed(decoder, workers, placement, world)
        memory.addLater(adapter, config)
        let (kept, arenaBytes) = try memory.choose(config.training.activationCheckpointing) {
            decoder.keeping($0).arenaBytes(
                training: largest.training, evaluation: largest.evaluation, hasDropout: config.lora.loraDropout > 0)
        }
        session.config.training.activationCheckpointing = kept.config
        try memory.check(arenaBytes, tokens: max(cut.microBatchTokens, train.longest), kept)
        engine = StepEngine(
            decoder: decoder.keeping(kept), workers: workers, arena: Arena(bytes: arenaBytes), world: world, cut: cut)
        isChosen = config.training.activationCheckpointing == .auto
        self.session = session
    }
}
