/// What a run tells while it goes on. Libraries emit these; the executable prints them.
public enum TrainingEvent: Sendable {
    /// Everything is loaded and the first step is next.
    case started(RunSummary)
    /// The run goes on from this checkpoint, after so many of its steps.
    case resumed(path: String, step: Int, totalSteps: Int)
    /// A step is done.
    case step(StepRecord)
    /// The held-out part was evaluated.
    case evaluated(EvaluationRecord)
    /// A checkpoint or the adapter was written to this folder, and is on the disk.
    case saved(path: String)
    /// The run ends after so many steps because it was asked to; its last checkpoint is in this folder.
    case stopped(step: Int, path: String?)
    /// The last step is done and the results are written.
    case finished(FinishSummary)
    /// Something that the user should know and that does not stop the run.
    case warning(String)
    /// Something that takes its time is being done.
    case note(String)
}

/// What is known before the first step.
public struct RunSummary: Sendable {
    /// The number of ranks.
    public var ranks: Int
    /// The names of the hosts, each once.
    public var hosts: [String]
    public var threadsPerRank: Int
    /// The base model's name and kind, for example `SmolLM2-135M-Instruct (llama, GGUF Q4_1)`.
    public var model: String
    /// Numbers that training changes, and all numbers of base and adapter.
    public var trainableParameters: Int, totalParameters: Int
    /// What each rank sends into the sum of gradients in one step, in bytes.
    public var allReduceBytesPerStep: Int
    /// The scratch memory of one rank, in bytes.
    public var arenaBytes: Int
    /// The number of steps of the run.
    public var totalSteps: Int
    /// What was found in the data: one line each.
    public var dataReport: [String]

    public init(
        ranks: Int, hosts: [String], threadsPerRank: Int, model: String, trainableParameters: Int,
        totalParameters: Int, allReduceBytesPerStep: Int, arenaBytes: Int, totalSteps: Int, dataReport: [String]
    ) {
        self.ranks = ranks
        self.hosts = hosts
        self.threadsPerRank = threadsPerRank
        self.model = model
        self.trainableParameters = trainableParameters
        self.totalParameters = totalParameters
        self.allReduceBytesPerStep = allReduceBytesPerStep
        self.arenaBytes = arenaBytes
        self.totalSteps = totalSteps
        self.dataReport = dataReport
    }
}

/// One step of training.
public struct StepRecord: Sendable {
    /// The step's number, from 1, and how many there are.
    public var step: Int, totalSteps: Int
    /// Epochs done after this step.
    public var epoch: Double
    /// Mean cross-entropy of the step's trained tokens, in nats.
    public var loss: Double
    /// The learning rate that the step used.
    public var learningRate: Double
    /// The gradient's length before it was cut.
    public var gradNorm: Double
    /// Tokens of the global batch, and those among them that are trained.
    public var tokens: Int, trainedTokens: Int
    /// Wall time of the step.
    public var seconds: Double
    /// Tokens of the global batch per second of wall time.
    public var tokensPerSecond: Double
    /// The longest time that a rank waited for the others in this step, in seconds.
    public var waitSeconds: Double
    /// The time that the update waited for a checkpoint to be written, in seconds.
    public var saveSeconds: Double

    public init(
        step: Int, totalSteps: Int, epoch: Double, loss: Double, learningRate: Double, gradNorm: Double, tokens: Int,
        trainedTokens: Int, seconds: Double, tokensPerSecond: Double, waitSeconds: Double,
        saveSeconds: Double = 0
    ) {
        self.step = step
        self.totalSteps = totalSteps
        self.epoch = epoch
        self.loss = loss
        self.learningRate = learningRate
        self.gradNorm = gradNorm
        self.tokens = tokens
        self.trainedTokens = trainedTokens
        self.seconds = seconds
        self.tokensPerSecond = tokensPerSecond
        self.waitSeconds = waitSeconds
        self.saveSeconds = saveSeconds
    }
}

/// An evaluation of the held-out part during training.
public struct EvaluationRecord: Sendable {
    /// The steps that were done; 0 before the first.
    public var step: Int
    /// Mean cross-entropy of the trained tokens, in nats, and e to its power.
    public var loss: Double, perplexity: Double
    /// Whether no evaluation before was better.
    public var isBest: Bool

    public init(step: Int, loss: Double, perplexity: Double, isBest: Bool) {
        self.step = step
        self.loss = loss
        self.perplexity = perplexity
        self.isBest = isBest
    }
}

/// What a run came to.
public struct FinishSummary: Sendable {
    /// The steps that were done.
    public var steps: Int
    /// Wall time from the first step to the last, evaluations as well.
    public var seconds: Double
    /// Tokens of all global batches.
    public var tokens: Int
    /// Mean cross-entropy of the last step's trained tokens, in nats.
    public var lastLoss: Double
    /// The best evaluation; nil if there was none.
    public var best: EvaluationRecord?
    /// The folder of the adapter.
    public var adapterPath: String

    public init(
        steps: Int, seconds: Double, tokens: Int, lastLoss: Double, best: EvaluationRecord?, adapterPath: String
    ) {
        self.steps = steps
        self.seconds = seconds
        self.tokens = tokens
        self.lastLoss = lastLoss
        self.best = best
        self.adapterPath = adapterPath
    }
}
