import Collectives
import LoRA
import Tensors

/// Where the adapter and its moments stand, and who writes them: once on each node, in memory that its ranks share and each of
/// which updates a part of, or in every rank's own memory. The bits are the same.
struct StatePlacement {
    let isShared: Bool
    private let world: Communicator

    init(_ config: TrainingConfig, _ world: Communicator) {
        isShared = config.statePlacement == .nodeShared
        self.world = world
    }

    /// Whether this rank writes what is not dealt to all: one of each node does where they share.
    var writes: Bool { !isShared || world.localRank == 0 }

    /// A slab of zeros; every rank must call this.
    /// - Throws: the same `SharedError` on all ranks where those of a node cannot share memory.
    func makeSlab(_ layout: ParameterLayout) throws -> ParameterSlab {
        guard isShared else { return ParameterSlab(layout) }
        let memory = try world.makeNodeMemory(byteCount: layout.count * 4)
        return try world.together {
            guard let memory else {
                throw ConfigError(
                    key: "training.state_placement",
                    reason:
                        "the ranks of \(world.hostName) cannot share memory (memfd_create, or /proc of another rank, is not to be "
                        + "had); set it to private")
            }
            return unsafe ParameterSlab(layout, in: memory.bytes, owner: memory)
        }
    }

    /// The adapter with its matrices where this placement says; every rank must call this.
    /// - Throws: `SharedError`, as `makeSlab`.
    func placed(_ adapter: Adapter) throws -> Adapter {
        guard isShared else { return adapter }
        let values = try makeSlab(adapter.values.layout)
        try write { values.copy(from: adapter.values) }
        return adapter.with(values)
    }

    /// Does what writes slabs, on the ranks that do; no rank goes on before it is done on its node. Every rank must call this.
    /// - Throws: what `work` throws, and `MPIError`. `work` must not call the communicator.
    func write(_ work: () throws -> Void) throws {
        if writes { try work() }
        try world.nodeBarrier()
    }

    /// Puts rank 0's elements in the place of those of all ranks.
    func broadcast(_ slab: ParameterSlab) throws {
        try unsafe slab.withMutableBytes {
            if isShared { try unsafe world.broadcastToNodes($0) } else { try unsafe world.broadcast($0) }
        }
    }

    /// The elements that this rank updates.
    func part(of count: Int) -> Range<Int> {
        isShared ? Self.part(of: count, rank: world.localRank, ranks: world.localSize) : 0..<count
    }

    /// An equal share of elements in whole cache lines, so that no two ranks write to one.
    static func part(of count: Int, rank: Int, ranks: Int) -> Range<Int> {
        let line = 16
        let lines = (count + line - 1) / line
        func start(_ rank: Int) -> Int { min(count, lines * rank / ranks * line) }
        return start(rank)..<start(rank + 1)
    }

    /// Lets the ranks of a node that share slabs go into an update together. One that stands still holds the others before `lock`,
    /// where everything is whole, and not amid the update; and none begins before all have called `lock`.
    /// - Parameter lock: keeps others of this process from reading the slabs.
    /// - Throws: `MPIError`.
    func beginUpdate(_ lock: () -> Void) throws {
        if isShared { try world.nodeBarrier() }
        lock()
        if isShared { try world.nodeBarrier() }
    }

    /// Waits until all parts are updated.
    /// - Parameter isBad: whether this rank's part is.
    /// - Returns: whether any part of the node is.
    /// - Throws: `MPIError`.
    func endUpdate(isBad: Bool) throws -> Bool { isShared ? try world.nodeMax(isBad ? 1 : 0) != 0 : isBad }
}
