import Collectives
import Foundation
import LoRA
import Models
import Tensors

/// What a run needs of the memory of each node, and what is free there.
struct MemoryNeed {
    /// Of one rank.
    let scratchBytes: Int
    /// Trained numbers.
    let parameters: Int
    /// Bytes of the base that a step reads, which stand once on a node.
    let baseBytes: Int
    /// Bytes that each rank takes later, and those that rank 0 does beside them.
    var later = 0, laterOnFirst = 0
    private let world: Communicator
    private let placement: StatePlacement

    init(_ decoder: Decoder, _ workers: Workers, _ placement: StatePlacement, _ world: Communicator) {
        self.init(
            scratchBytes: workers.scratchBytes, parameters: decoder.adapter?.parameterCount ?? 0,
            // Weights that no file holds are in memory already.
            baseBytes: decoder.base.files.isEmpty ? 0 : decoder.base.stepBytes.read, placement, world)
    }

    init(
        scratchBytes: Int, parameters: Int, baseBytes: Int, _ placement: StatePlacement, _ world: Communicator
    ) {
        self.scratchBytes = scratchBytes
        self.parameters = parameters
        self.baseBytes = baseBytes
        self.placement = placement
        self.world = world
    }

    /// Adds what a run takes after its first step.
    mutating func addLater(_ adapter: Adapter, _ config: RunConfig) {
        later = 4 * (adapter.initial?.layout.count ?? 0)
        // The best adapter, and the one before until it is no longer that of the last checkpoint.
        laterOnFirst = config.training.loadBestModelAtEnd ? 8 * adapter.parameterCount : 0
    }

    /// The share of what is free that an automatic choice may take.
    private static let share = 0.9

    /// Bytes that a node still has to give: to all ranks the arena, scratch memory and sums of gradients; moments, and the pages of
    /// the base, which the kernel counts as free.
    func nodeBytes(arena: Int, ranks: Int) -> Int {
        let states = placement.isShared ? 1 : ranks
        return ranks * (arena + scratchBytes + 8 * parameters + later) + states * 8 * parameters + baseBytes
            + laterOnFirst
    }

    /// Whether a node with so many bytes left may keep what needs so large an arena on each of its ranks.
    func fits(arena: Int, ranks: Int, available: Int) -> Bool {
        Double(nodeBytes(arena: arena, ranks: ranks)) <= Self.share * Double(available)
    }

    /// What is kept for the backward pass: as the config says or, where that is `auto`, the first of none, selective and block that fits
    /// on every node, or else block; the same on all ranks, each of which must call this.
    /// - Parameters:
    ///   - wish: of the config.
    ///   - available: bytes that this node has left; nil if nobody knows.
    ///   - arenaBytes: that what is kept needs.
    /// - Returns: the choice with its bytes of arena.
    /// - Throws: `MPIError`.
    func choose(
        _ wish: TrainingConfig.ActivationCheckpointing, available: Int? = availableMemory(),
        arenaBytes: (Decoder.Checkpointing) -> Int
    ) throws -> (kept: Decoder.Checkpointing, arenaBytes: Int) {
        if let fixed = wish.decoder { return (fixed, arenaBytes(fixed)) }
        for kept in [Decoder.Checkpointing.none, .selective] {
            let bytes = arenaBytes(kept)
            let isEnough = available.map { fits(arena: bytes, ranks: world.localSize, available: $0) }
            var worst = [Int64(isEnough == false ? 1 : 0)]
            try world.allReduceMax(&worst)
            if worst == [0] { return (kept, bytes) }
        }
        return (.block, arenaBytes(.block))
    }

    /// Refuses what does not fit; every rank must call this.
    /// - Parameters:
    ///   - arenaBytes: of one rank.
    ///   - tokens: of the largest micro-batch.
    ///   - kept: for the backward pass.
    /// - Throws: the same `SharedError` on all ranks.
    func check(_ arenaBytes: Int, tokens: Int, _ kept: Decoder.Checkpointing) throws {
        try world.together {
            let refusal = refusal(
                arena: arenaBytes, ranks: world.localSize, host: world.hostName, available: availableMemory(),
                tokens: tokens, savesAll: kept != .block)
            if let refusal { throw refusal }
        }
    }

    /// What is wrong with taking all that a run needs on a node with so much memory left, beside the base's pages, which can be read
    /// again. Where micro-batches alone are too much, their size is what to change.
    /// - Parameters:
    ///   - arena: bytes of one rank's.
    ///   - ranks: of the node.
    ///   - host: the name of its host.
    ///   - available: bytes that it has left; nil if nobody knows.
    ///   - tokens: of the largest micro-batch.
    ///   - savesAll: whether less could be kept for the backward pass.
    /// - Returns: the error, which names what to change; nil if it fits.
    func refusal(
        arena: Int, ranks: Int, host: String, available: Int?, tokens: Int, savesAll: Bool
    ) -> ConfigError? {
        let needed = nodeBytes(arena: arena, ranks: ranks) - baseBytes
        guard let available, needed > available else { return nil }
        let free = "\(gibibytes(available)) are free"
        guard ranks * (arena + scratchBytes) <= available else {
            let advice = [
                "lower it (or data.max_length, if a single example is that long)",
                ranks > 1 ? Self.fewerRanks : nil,
                savesAll ? "set training.activation_checkpointing: block" : nil,
            ]
            return ConfigError(
                key: "training.micro_batch_tokens",
                reason:
                    "a micro-batch of \(tokens) tokens needs \(gibibytes(arena + scratchBytes)) on "
                    + (ranks > 1 ? "each of \(ranks) ranks of " : "")
                    + "\(host), where \(free); \(Self.alternatives(advice))")
        }
        let states = (placement.isShared ? 1 : ranks) * 8 * parameters
        let advice = [
            "lower lora.r or train fewer modules", ranks > 1 ? Self.fewerRanks : nil,
            placement.isShared ? nil : "set training.state_placement: node_shared",
            "lower training.micro_batch_tokens (lora-dist plan tells what a run takes)",
        ]
        return ConfigError(
            key: "",
            reason:
                "training \(parameters) numbers takes \(gibibytes(needed)) more on \(host), where \(free): "
                + "\(gibibytes(ranks * 8 * parameters)) for sums of gradients on \(ranks) \(ranks == 1 ? "rank" : "ranks"), "
                + "\(gibibytes(states)) for AdamW's moments, \(gibibytes(ranks * arena)) for micro-batches; "
                + Self.alternatives(advice))
    }

    private static let fewerRanks = "start fewer ranks a node"

    /// "a", "a, or b", "a, b, or c" of those that there are.
    private static func alternatives(_ texts: [String?]) -> String {
        let texts = texts.compactMap { $0 }
        guard let last = texts.last, texts.count > 1 else { return texts.joined() }
        return texts.dropLast().joined(separator: ", ") + ", or " + last
    }
}

extension TrainingConfig.ActivationCheckpointing {
    /// The same in the terms of the decoder; nil for `auto`.
    var decoder: Decoder.Checkpointing? { Decoder.Checkpointing(rawValue: rawValue) }
}

extension Decoder.Checkpointing {
    /// The same in the terms of a config.
    var config: TrainingConfig.ActivationCheckpointing { .init(rawValue: rawValue)! }
}
