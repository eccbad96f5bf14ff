public import Models

/// What a plan is told beside its config.
public struct PlanOptions: Sendable {
    /// The shape of a published model in the place of the config's.
    public var shape: KnownShape?
    /// Bytes of memory of a node; nil for what this one has free.
    public var memoryBytes: Int?
    /// Ranks that share a node's memory, cores and network link.
    public var ranksPerNode = 1
    /// Gigabits a second of a node's network link, each way.
    public var networkGigabits = 10.0
    /// Seconds that a message takes beside its bytes.
    public var latencySeconds = 50e-6
    /// 10⁹ operations a second of raw products of one rank; nil to measure here.
    public var gigaflops: Double?
    /// Threads of each rank, in place of the config's; nil to leave that.
    public var threads: Int?

    public init() {}
}
