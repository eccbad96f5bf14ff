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
        let data = try RunData(session, world: world, threads: threads)
        (train, heldOut, heldOutRows, plan, totalSteps) = (
            data.train, data.heldOut, data.heldOutRows, data.plan, data.totalSteps
        )
        schedule = LearningRateSchedule(config.training, totalSteps: totalSteps)

        let adapter = session.adapter!
        optimizer = Optimizer(values: adapter.values, config: config.training)
        sums = ExactSums(adapter.values.layout)
        let cut = StepEngine.Cut(config.training)
        let decoder = Decoder(
            base: session.base, adapter: adapter, positions: data.longest,
            precision: config.model.precision,
            checkpoints: config.training.activationCheckpointing == .block)
        let bytes = decoder.arenaBytes(
            training: cut.largest(of: plan, steps: totalSteps, longest: train.longest, sizes: train.sizes(of:)),
            evaluation: cut.largest(data.heldOutSizes, chunk: StepEngine.Cut.evaluationChunk),
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
}
