import JSONText

/// Section `training`: the steps. Keys are those of Transformers' `TrainingArguments` where the meaning is the same.
public struct TrainingConfig: Sendable, Equatable {
    /// The highest learning rate of the schedule.
    public var learningRate = 2e-4
    /// What the learning rate of B is that of A times (LoRA+).
    public var loraPlusRatio = 1.0
    public var scheduler = Scheduler.linear
    /// How long the learning rate rises at first.
    public var warmup = Warmup.steps(0)
    /// How often each row is seen; not used if `max_steps` is given.
    public var epochs = 3.0
    /// The number of steps, whatever the epochs; nil if the epochs decide.
    public var maxSteps: Int?
    /// The examples of one step, over all ranks.
    public var globalBatchSize = 16
    /// The most tokens in one piece of work; `automatic` until it is chosen by the shape of the model.
    public var microBatchTokens = 2048
    /// Stands for `auto`.
    public static let automatic = 0
    /// At least as many pieces of work in a step, for ranks to share.
    public var microBatchesPerStep = 4
    public var activationCheckpointing = ActivationCheckpointing.auto
    public var statePlacement = StatePlacement.nodeShared
    /// Whether what the examples of one piece of work begin with alike is computed once for all of them.
    public var sharePrefix = true
    public var weightDecay = 0.0
    /// What α of NEFTune's noise on embeddings is; 0 for none.
    public var neftuneAlpha = 0.0
    /// The share of a trained token's target that is spread over the whole vocabulary.
    public var labelSmoothing = 0.0
    /// The length to which a longer gradient is cut; 0 to leave it.
    public var maxGradNorm = 1.0
    public var adamBeta1 = 0.9
    public var adamBeta2 = 0.999
    public var adamEpsilon = 1e-8
    public var seed = 42
    /// A line in the log every so many steps.
    public var loggingSteps = 10
    /// The held-out loss every so many steps; nil for once, after the last step.
    public var evalSteps: Int?
    /// A checkpoint is saved every so many steps, and after the last.
    public var saveSteps = 500
    /// Only so many of the newest checkpoints are kept, and that of the best evaluation; nil to keep all.
    public var saveTotalLimit: Int?
    /// Whether a checkpoint is saved after every evaluation that is the best so far.
    public var saveOnBest = false
    public var onSaveError = OnSaveError.warn
    public var onNonfinite = OnNonfinite.stop
    /// Ranks compare what they hold every so many steps, and before a checkpoint counts as saved.
    public var auditSteps = 100
    /// The seconds after which a rank that comes no further ends the job.
    public var collectiveTimeout = 300.0
    /// The seconds that a step may take to end once the run is asked to stop.
    public var stopGrace = 20.0
    /// Training ends after so many evaluations in a row without a better held-out loss; nil for never.
    public var earlyStoppingPatience: Int?
    /// Whether the adapter that is left at the end is that of the best evaluation, not of the last step.
    public var loadBestModelAtEnd = false
    /// Threads of each rank; nil to share the cores of a node between its ranks.
    public var threads: Int?

    public init() {}

    /// What the forward pass keeps for the backward pass.
    public enum ActivationCheckpointing: String, Sendable, CaseIterable {
        /// The first of the others that fits into what is free on every node.
        case auto
        /// Whatever backward reads.
        case none
        /// All but what one product each with the small matrices of attention gives again: queries, keys and values, and the layer's
        /// middle. The same bits, somewhat slower, for less memory.
        case selective
        /// The input of each layer; backward runs the layer forward again. The same bits, slower, for the least memory.
        case block
    }

    /// Where A, B and their moments stand.
    public enum StatePlacement: String, Sendable, CaseIterable {
        /// Once on each node, in memory that its ranks share; each updates a part.
        case nodeShared = "node_shared"
        /// In the own memory of each rank, which makes every update by itself.
        case `private`
    }

    /// What becomes of a run when a checkpoint cannot be written.
    public enum OnSaveError: String, Sendable, CaseIterable {
        /// It goes on, with a warning; the checkpoints before stay.
        case warn
        case stop
    }

    /// What becomes of a step whose loss or gradient is NaN or infinite.
    public enum OnNonfinite: String, Sendable, CaseIterable {
        case stop
        /// The adapter stays as it is, with a warning, and the next step follows.
        case skip
    }

    /// How the learning rate goes on after the warm-up.
    public enum Scheduler: String, Sendable, CaseIterable {
        case linear, cosine, constant
        case constantWithWarmup = "constant_with_warmup"
    }

    /// How long the learning rate rises at first.
    public enum Warmup: Sendable, Equatable {
        case steps(Int)
        /// A share of all steps, above 0 and below 1.
        case share(Double)
    }
}

extension TrainingConfig: ConfigSection {
    static let name = "training"
    static let fields: [ConfigField<TrainingConfig>] = [
        .number("learning_rate", \.learningRate, .above(0)),
        .number("loraplus_lr_ratio", \.loraPlusRatio, .above(0)),
        .choice("lr_scheduler_type", \.scheduler),
        ConfigField(
            "warmup_steps", \.warmup, expected: "a whole number of steps, or a share of all steps below 1",
            decode: Warmup.init(tree:), encode: \.tree),
        .number("num_train_epochs", \.epochs, .between(0, 1_000_000)),
        ConfigField(
            "max_steps", \.maxSteps, expected: "a whole number of at least 1, or -1 to let the epochs decide",
            decode: { tree in
                if tree.isNull || tree.int == -1 { return .some(nil) }
                guard let value = tree.int, value >= 1, value <= Int(Int32.max) else { return nil }
                return .some(value)
            },
            encode: { $0.map { .integer(Int64($0)) } }),
        .integer("global_batch_size", \.globalBatchSize),
        ConfigField(
            "micro_batch_tokens", \.microBatchTokens, expected: "a whole number of at least 1, or auto",
            decode: { tree in
                if tree.string == "auto" { return automatic }
                guard let value = tree.int, value >= 1, value <= Int(Int32.max) else { return nil }
                return value
            },
            encode: { $0 == automatic ? .string("auto") : .integer(Int64($0)) }),
        .integer("micro_batches_per_step", \.microBatchesPerStep),
        .choice("activation_checkpointing", \.activationCheckpointing),
        .choice("state_placement", \.statePlacement),
        .flag("share_prefix", \.sharePrefix),
        .number("weight_decay", \.weightDecay, .atLeast(0)),
        ConfigField(
            "neftune_noise_alpha", \.neftuneAlpha, expected: "a number of at least 0",
            decode: { $0.isNull ? 0 : $0.double.flatMap { $0 >= 0 && $0.isFinite ? $0 : nil } }, encode: { .number($0) }
        ),
        .number("label_smoothing_factor", \.labelSmoothing, .share),
        .number("max_grad_norm", \.maxGradNorm, .atLeast(0)),
        .number("adam_beta1", \.adamBeta1, .share),
        .number("adam_beta2", \.adamBeta2, .share),
        .number("adam_epsilon", \.adamEpsilon, .above(0)),
        .integer("seed", \.seed, atLeast: 0),
        .integer("logging_steps", \.loggingSteps),
        .integer("eval_steps", \.evalSteps),
        .integer("save_steps", \.saveSteps),
        .integer("save_total_limit", \.saveTotalLimit),
        .flag("save_on_best", \.saveOnBest),
        .choice("on_save_error", \.onSaveError),
        .choice("on_nonfinite", \.onNonfinite),
        .integer("audit_steps", \.auditSteps),
        .number("collective_timeout", \.collectiveTimeout, .between(1, 1_000_000)),
        .number("stop_grace", \.stopGrace, .between(0, 1_000_000)),
        .integer("early_stopping_patience", \.earlyStoppingPatience),
        .flag("load_best_model_at_end", \.loadBestModelAtEnd),
        .integer("threads", \.threads, atMost: 1024),
    ]
}

extension TrainingConfig.Warmup {
    fileprivate init?(tree: JSON) {
        guard let value = tree.double, value >= 0, value <= Double(Int32.max) else { return nil }
        if let steps = Int(exactly: value) {
            self = .steps(steps)
        } else if value < 1 {
            self = .share(value)
        } else {
            return nil
        }
    }

    fileprivate var tree: JSON? {
        switch self {
        case .steps(let steps): .integer(Int64(steps))
        case .share(let share): .number(share)
        }
    }
}
