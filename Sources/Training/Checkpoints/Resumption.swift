import Collectives
import Foundation
import JSONText
import LoRA
import Tensors

/// A checkpoint that a run goes on from, as every rank knows it.
struct Resumption {
    let path: String
    let state: CheckpointState
    private let world: Communicator

    /// Hands what rank 0 has read to all ranks.
    /// - Returns: nil for a run that begins.
    init?(_ reader: CheckpointReader?, world: Communicator) throws {
        let path = try world.broadcast(Array((reader?.folder.path ?? "").utf8))
        let text = try world.broadcast(Array((reader?.state.json.text() ?? "").utf8))
        guard !text.isEmpty else { return nil }
        self.world = world
        self.path = String(decoding: path, as: UTF8.self)
        state = try CheckpointState(text: text, file: self.path)
    }

    /// A config with what the checkpoint's run has chosen by itself: the date that templates print, the precision, what is kept for
    /// the backward pass, and the most tokens of a micro-batch.
    func completing(_ config: RunConfig) -> RunConfig {
        var config = config
        if config.data.templateDate == nil { config.data.templateDate = state.config["data"]?["template_date"]?.string }
        if config.model.dtype == .auto,
            let dtype = state.config["model"]?["dtype"]?.string.flatMap(ModelConfig.Precision.init(rawValue:))
        {
            config.model.dtype = dtype
        }
        let training = state.config[TrainingConfig.name]
        if config.training.activationCheckpointing == .auto,
            let kept = training?["activation_checkpointing"]?.string.flatMap(
                TrainingConfig.ActivationCheckpointing.init(rawValue:))
        {
            config.training.activationCheckpointing = kept
        }
        if config.training.microBatchTokens == TrainingConfig.automatic,
            let tokens = training?["micro_batch_tokens"]?.int
        {
            config.training.microBatchTokens = tokens
        }
        return config
    }

    /// - Throws: the same `SharedError` on all ranks if the config would give other results than that of the checkpoint.
    func checkConfig(_ config: RunConfig, _ options: RunOptions, _ world: Communicator) throws {
        try refuse(config.changes(since: state.config), options)
    }

    /// - Throws: the same `SharedError` on all ranks if a file is not what it was.
    func checkIdentity(_ identity: RunIdentity, _ options: RunOptions, _ world: Communicator) throws {
        try refuse(identity.differences(from: state.identity).map { "\($0) is not what it was (by SHA-256)" }, options)
    }

    private func refuse(_ changes: [String], _ options: RunOptions) throws {
        guard !changes.isEmpty, !options.acceptChanges else { return }
        throw SharedError(
            exitCode: 2,
            description:
                "\(path) is of a run with other results: \(changes.joined(separator: "; ")). Go on as it was, or "
                + "give --accept-changes to go on with what is new")
    }

    /// Compares the SHA-256 of the base; nil where it is not computed.
    /// - Throws: `InputError` if it is another base.
    func checkBase(_ sum: String?) throws {
        guard let sum, let known = state.baseSHA256, sum != known else { return }
        throw InputError(path, reason: "the base's SHA-256 is \(sum), and was \(known): it is not the same model")
    }

    /// Puts adapter, moments and progress where they belong, on all ranks.
    /// - Parameters:
    ///   - trainer: gets them.
    ///   - reader: of rank 0.
    /// - Throws: the same `SharedError` on all ranks if the matrices are not those of this adapter.
    func load(into trainer: inout Trainer, _ reader: CheckpointReader?) throws {
        let optimizer = trainer.optimizer
        let values = trainer.adapter.values
        let initial = trainer.adapter.initial
        let best = try world.together {
            try reader?.load(values: values, m: optimizer.m, v: optimizer.v, initial: initial) ?? []
        }
        for slab in [values, optimizer.m, optimizer.v] { try trainer.placement.broadcast(slab) }
        if let initial { try unsafe initial.withMutableBytes { try unsafe world.broadcast($0) } }
        trainer.bestValues = best
        trainer.progress = state.progress
        trainer.optimizer.steps = state.progress.updates
    }

    /// What to say where results will differ in their last bits; nil elsewhere.
    var fingerprintWarning: String? {
        let here = numericsFingerprint()
        guard here != state.fingerprint else { return nil }
        return
            "the checkpoint is from another kind of CPU or library (\(state.fingerprint)), this is \(here): the run is as good, "
            + "but not bit by bit what it would have been there"
    }
}

extension Communicator {
    /// Refuses to be one of many processes that do not know of each other.
    /// - Throws: `ConfigError`.
    func refuseStrangers() throws {
        guard let count = LaunchEnvironment.strangers(ProcessInfo.processInfo.environment, size: size) else { return }
        throw ConfigError(
            reason:
                "the launcher has started \(count) processes, and each takes itself for the only one: launch with Open "
                + "MPI's mpirun, or with srun --mpi=pmix")
    }

    /// Makes sure that all ranks run the same program with the same config.
    /// - Throws: the same `SharedError` on all ranks if one does not.
    func agreeOnProgram(_ config: RunConfig) throws {
        guard size > 1 else { return }
        let program = try together { try Digest.ofFile("/proc/self/exe", tick: board.tick) }
        try agreeOn(String(program.prefix(16)), what: "the program lora-dist (its SHA-256)")
        try agreeOn(String(Digest.of(config.tree.text()).prefix(16)), what: "the config (its SHA-256)")
    }

    /// What to say where ranks compute on CPUs or libraries that round differently; nil elsewhere. Every rank must call this.
    func fingerprintWarning() throws -> String? {
        let all = try allGather(Array(numericsFingerprint().utf8)).map { String(decoding: $0, as: UTF8.self) }
        guard let other = all.firstIndex(where: { $0 != all[0] }) else { return nil }
        return "rank \(other) on \(hostNames[other]) has another kind of CPU or library (\(all[other])) than rank 0 on "
            + "\(hostNames[0]) (\(all[0])): the last bits of results depend on which rank computes what"
    }
}
