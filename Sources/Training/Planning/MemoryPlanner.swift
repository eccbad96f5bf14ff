import Collectives
import LoRA
import Models
import Tensors

/// Adds up what a run will hold.
struct MemoryPlanner {
    var config: RunConfig
    let work: PlannedWork
    let adapter: Adapter
    /// Threads of a rank.
    let threads: Int
    /// Bytes of a process that has opened the model and the data, and does nothing.
    let overhead: Int

    /// What Open MPI holds for a rank: its library, the queues to other ranks and the piece of a sum that is under way. Measured
    /// were 3 MB without, and 7 to 9 MB with sums of 50 MB on 2 and 4 ranks.
    static let mpiBytes = 8 << 20
    /// A process's own beside what it had when the plan was made: threads, the matrix library's buffers, metrics.
    static let processBytes = 2 << 20
    /// Bytes of full fine-tuning for each parameter, mixed-precision AdamW (Rajbhandari et al. 2020, ZeRO, section 3.1): weights and
    /// gradients in 16 bits, a copy of the weights and two moments in 32.
    static let fullValues = 2 + 4, fullGradients = 2, fullMoments = 8

    /// What the run's largest micro-batch needs on this base, from the layers' own code.
    func arena(_ base: BaseModel) -> Int {
        Decoder(planning: config, base: base, adapter: adapter, positions: work.longest).arenaBytes(
            training: work.largest, evaluation: work.largestHeldOut, hasDropout: config.lora.loraDropout > 0)
    }

    /// The config with what a run keeps of each layer where that is to be chosen: the first that fits into a node's memory.
    func resolved(on base: BaseModel, ranks: Int, available: Int) -> RunConfig {
        guard config.training.activationCheckpointing == .auto else { return config }
        let world = Communicator.alone()
        let placement = StatePlacement(config.training, world)
        var need = MemoryNeed(
            scratchBytes: threads * Workers.dry().scratchBytes, parameters: adapter.parameterCount,
            baseBytes: base.stepBytes.read, placement, world)
        need.addLater(adapter, config)
        // What a run holds already when it chooses.
        let values = 4 * adapter.values.layout.count
        let available = available - (placement.isShared ? 1 : ranks) * values - ranks * (overhead + Self.processBytes)
        var resolved = self
        for kept in Decoder.Checkpointing.allCases {
            resolved.config.training.activationCheckpointing = kept.config
            if need.fits(arena: resolved.arena(base), ranks: ranks, available: available) { break }
        }
        return resolved.config
    }

    /// LoRA on a base.
    /// - Parameters:
    ///   - name: for people.
    ///   - base: in the formats that it is trained in.
    ///   - ranks: of the run; one alone does without MPI.
    /// - Returns: bytes by part.
    func lora(_ name: String, on base: BaseModel, ranks: Int) -> MemoryFigures {
        let count = adapter.values.layout.count
        var (read, embedding) = base.stepBytes
        // A head that is trained is read in the place of the base's.
        if adapter.whole[.head] != nil, !base.config.tiedEmbeddings { read -= base.head.byteCount }
        if adapter.whole[.embedding] != nil { embedding = 0 }
        // What PiSSA began with, and the norms of DoRA, which every rank has.
        let fixed = (adapter.initial?.layout.count ?? 0) + (adapter.norms?.layout.count ?? 0)
        return MemoryFigures(
            name: name, base: read, embedding: embedding, values: 4 * count, gradients: 8 * count, moments: 8 * count,
            best: config.training.loadBestModelAtEnd ? 8 * count : 0, arena: arena(base),
            buffers: Self.buffers(threads: threads, ranks: ranks), overhead: overhead + Self.processBytes + 4 * fixed,
            placement: config.training.statePlacement)
    }

    /// Full fine-tuning as the baseline: every rank holds all, as no state is cut between ranks. Activations are those of LoRA.
    func full(on base: BaseModel, ranks: Int) -> MemoryFigures {
        let count = base.config.parameterCount
        return MemoryFigures(
            name: "full fine-tuning", base: 0, embedding: 0, values: Self.fullValues * count,
            gradients: Self.fullGradients * count, moments: Self.fullMoments * count, best: 0, arena: arena(base),
            buffers: Self.buffers(threads: threads, ranks: ranks), overhead: overhead + Self.processBytes,
            placement: .private)
    }

    /// What a rank's threads and MPI hold; one rank alone does without MPI.
    static func buffers(threads: Int, ranks: Int) -> Int {
        threads * Workers.dry().scratchBytes + (ranks > 1 ? mpiBytes : 0)
    }
}

extension Decoder {
    /// The decoder of a run as its config says, for what needs no weights.
    init(planning config: RunConfig, base: BaseModel, adapter: Adapter, positions: Int) {
        self.init(
            base: base, adapter: adapter, positions: positions, precision: config.model.precision,
            checkpointing: config.training.activationCheckpointing.decoder ?? .none,
            labelSmoothing: config.training.labelSmoothing)
    }
}
