public import Models

/// What a run will cost, found without its weights and before it starts.
public struct RunPlan: Sendable {
    /// The base, for people.
    public var model: String
    /// What the inputs of products are rounded to: `fp32` or `bf16`.
    public var precision: String
    /// What is kept of each layer for the backward pass, and whether `auto` has chosen it for the node's memory.
    public var checkpointing: String, isCheckpointingChosen: Bool
    /// The most tokens of a micro-batch.
    public var microBatchTokens: Int
    /// Numbers of the base.
    public var baseParameters: Int
    public var adapter: AdapterFigures
    public var work: WorkFigures
    /// Bytes that each rank sends into the sum of gradients in one step.
    public var allReduceBytes: Int
    /// Full fine-tuning, LoRA and QLoRA, in this order.
    public var memory: [MemoryFigures]
    /// Which of `memory` is the run as it is configured.
    public var configured: Int
    public var fit: FitFigures
    public var speed: SpeedFigures
    /// At 1, 2, 4 … 64 ranks.
    public var scaling: [ScalingFigures]
    /// Why LoRA, or LoRA of this shape, may be a poor choice.
    public var doubts: [String]
    /// What the figures rest on that was not read.
    public var assumptions: [String]
}

/// The trained parameters.
public struct AdapterFigures: Sendable {
    /// By kind of module, such as `q_proj`, in the order of the computation.
    public var kinds: [(kind: String, modules: Int, parameters: Int)]
    public var parameters: Int
    /// Of the base's parameters.
    public var share: Double
    /// Bytes of `adapter_model.safetensors`.
    public var fileBytes: Int
    /// Bytes of a checkpoint: the adapter and both moments.
    public var checkpointBytes: Int
}

/// What is computed.
public struct WorkFigures: Sendable {
    /// Whether examples of `data.max_length` tokens stand in the place of data.
    public var isAssumed: Bool
    /// Of one pass through the data; of assumed examples, of one step.
    public var examples: Int, tokens: Int, trainedTokens: Int
    /// Tokens of the longest example.
    public var longest: Int
    /// Updates of the run; nil where neither data nor `max_steps` tell.
    public var steps: Int?
    /// Means over the steps.
    public var tokensPerStep: Double, piecesPerStep: Double
    /// The most tokens of a micro-batch.
    public var largestPiece: Int
    /// Evaluations of the held-out part in the run, and its tokens.
    public var evaluations: Int, heldOutTokens: Int
    /// The mathematics of a training step for each of its tokens.
    public var flopsPerToken: StepFLOPs
}

/// Bytes of one way to train. What a rank has is its own, but for a state that stands once per node.
public struct MemoryFigures: Sendable {
    public var name: String
    /// Frozen weights that a step reads: once per node.
    public var base: Int
    /// A table of which only the rows of a batch's tokens are read; not counted.
    public var embedding: Int
    /// The trained values.
    public var values: Int
    /// Sums of gradients: int64 here, 16 bits in the baseline.
    public var gradients: Int
    /// AdamW's.
    public var moments: Int
    /// The adapter of the best evaluation, which rank 0 alone keeps.
    public var best: Int
    /// Activations, and all else that a micro-batch needs.
    public var arena: Int
    /// The threads' scratch, and MPI's.
    public var buffers: Int
    /// The program, the tokenizer and the data's index.
    public var overhead: Int
    /// Where values and moments stand.
    public var placement: TrainingConfig.StatePlacement

    /// What the placement moves.
    private var state: Int { values + moments }

    /// Bytes of a rank beside what its node shares.
    public var rank: Int {
        gradients + arena + buffers + overhead + (placement == .private ? state : 0)
    }

    /// Bytes that the ranks of a node share.
    public var shared: Int { base + (placement == .nodeShared ? state : 0) }

    /// The most bytes of the node of rank 0. Saving the adapter takes no more: the arena and the sums are given back before.
    public func node(ranks: Int) -> Int { shared + ranks * rank + best }
}

/// Whether the run fits.
public struct FitFigures: Sendable {
    /// Ranks of a node, and the bytes that it has for them.
    public var ranksPerNode: Int, available: Int
    /// Whether `available` was given, or is what this machine has free.
    public var isGiven: Bool
    /// The most bytes of a node.
    public var needed: Int
    public var fits: Bool { needed <= available }
    /// What to change where it does not fit: a setting, and what a node needs with it.
    public var changes: [(change: String, needed: Int)]
}

/// Where the times come from.
public struct SpeedFigures: Sendable {
    /// Whether `--gflops` gave the rate.
    public var isGiven: Bool
    /// Operations a second of raw products of one rank, and of a step's mathematics in the micro-batch that was measured.
    public var rawFLOPS: Double, stepFLOPS: Double
    /// Threads of a rank where they were measured.
    public var threads: Int
    /// Layers of the model that were measured, tokens of a micro-batch, and how long all of it took.
    public var layers: Int, tokens: Int, seconds: Double
    /// Of a node's link, in bits; and of a message.
    public var networkGigabits: Double, latencySeconds: Double
}

/// The run on some number of ranks.
public struct ScalingFigures: Sendable {
    public var ranks: Int, nodes: Int, threads: Int
    /// Seconds of a mean step, and of these in the sum over ranks.
    public var stepSeconds: Double, sumSeconds: Double
    public var tokensPerSecond: Double
    /// Of the cores' time, what one rank alone would take of it.
    public var efficiency: Double
    /// With evaluations; nil where the number of steps is not known.
    public var runSeconds: Double?
    /// The most bytes of a node.
    public var nodeBytes: Int
}
