public import Models

/// What a benchmark measures, beside the model and adapter of its config.
public struct BenchmarkOptions: Sendable {
    /// Random weights of this shape in the place of the config's model.
    public var shape: KnownShape?
    /// Tokens of a micro-batch, all of them trained, in examples of `exampleTokens`.
    public var tokens = 2048
    public var exampleTokens = 512
    /// Steps, or products of each shape, that count, and steps before them that do not.
    public var steps = 5
    public var warmupSteps = 1
    public var threads: Int?
    public init() {}
}

/// Where figures were measured.
public struct BenchmarkSetting: Sendable {
    public var model: String
    /// What the inputs of products are rounded to: `fp32` or `bf16`.
    public var precision: String
    public var threads: Int
    public var ranks: Int
    /// Of a step of one rank.
    public var tokens: Int
    public var exampleTokens: Int
    /// Of the adapter, and the parameters that are trained.
    public var rank: Int, trainableParameters: Int
    /// The matrix library and what it chose for this CPU.
    public var library: String
}

/// Seconds of a step's phases.
public struct PhaseSeconds: Sendable {
    public var phase: PhaseClock.Phase
    public var seconds: Double
}

/// Medians over the steps of a benchmark, of rank 0.
public struct BenchmarkResult: Sendable {
    public var setting: BenchmarkSetting
    /// Of one step: forward, backward and AdamW. The shortest and the longest beside the median.
    public var seconds: Double, shortest: Double, longest: Double
    public var tokensPerSecond: Double
    public var phases: [PhaseSeconds]
    public var flopsPerToken: StepFLOPs
    /// Operations a second of the step's mathematics.
    public var modelFLOPS: Double
    /// The same of raw products measured before and after each step on as many threads: OpenBLAS in single precision,
    /// and the bf16 kernel on packed operands.
    public var gemmFLOPS: Double, bf16FLOPS: Double
    /// The medians of the ratios of each step to the products measured beside it.
    public var shareOfGEMM: Double, shareOfBF16: Double
    /// Of the gradients of a step.
    public var sumCost: SumCost
    /// What was kept for the backward pass and where the adapter's state stood, in the words of a config.
    public var checkpointing: String, placement: String
    /// After the steps.
    public var memory: ProcessMemory
    /// Bytes of the arena and the workers' scratch memory.
    public var arenaBytes: Int
    /// Bytes of the base that a step reads.
    public var baseBytes: Int
    /// What the ranks of rank 0's node hold together: the parts of anonymous and shared memory, and the base once.
    public var nodeBytes: Int
    /// Sums over the ranks; `peakBytes` counts what ranks share more than once.
    public var allRanks: (tokensPerSecond: Double, memory: ProcessMemory)
}

/// Medians of a product of a step measured by itself, of rank 0.
public struct ProductRate: Sendable {
    public var module: String, formula: String
    public var rows: Int, columns: Int, inner: Int
    public var seconds: Double
    /// Operations a second, and the median of its ratios to the raw kernel of the same precision measured beside it.
    public var flops: Double, share: Double
}

/// The products of a step measured by themselves.
public struct ProductSweep: Sendable {
    public var setting: BenchmarkSetting
    /// Operations a second of the raw kernel: sgemm for `fp32`, the bf16 kernel for `bf16`.
    public var kernelFLOPS: Double
    public var products: [ProductRate]
}
