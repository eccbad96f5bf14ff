import Collectives
import Dispatch
import LoRA
import Models
import Synchronization
import Tensors

/// What a fresh adapter begins with and that follows from the base's weights: A and B of PiSSA, and the magnitudes of DoRA.
struct AdapterStart {
    let config: RunConfig
    let base: BaseModel
    let adapter: Adapter

    init(_ config: RunConfig, _ base: BaseModel, _ adapter: Adapter) {
        (self.config, self.base, self.adapter) = (config, base, adapter)
    }

    /// - Throws: `ConfigError` for PiSSA with a base that is quantised, or with a rank above what a weight has; or where it cannot be
    ///   saved as the config asks.
    func check() throws {
        try checkForm()
        guard adapter.initial != nil else { return }
        let key = "lora.init_lora_weights"
        let name = config.lora.initLoRAWeights.pissaName!
        for module in adapter.modules {
            let weight = base.weight(of: module.path)!
            switch weight.format {
            case .f32, .f16, .bf16: break
            default:
                throw ConfigError(
                    key: key,
                    reason:
                        "\(name) begins with the singular values of the full weights, and \(module.path) is quantised "
                        + "(\(weight.formatName)); give a base in F32, F16 or BF16 and no model.quantization (lora-dist convert writes "
                        + "one from a GGUF file), or begin with true or gaussian")
            }
            let most = min(weight.rows, weight.columns)
            guard module.rank <= most else {
                throw ConfigError(
                    key: key,
                    reason:
                        "\(name): \(module.path) is (\(weight.rows), \(weight.columns)) and has \(most) singular values, "
                        + "fewer than its rank of \(module.rank); lower lora.r, or give it a smaller one in lora.rank_pattern"
                )
            }
        }
    }

    private func checkForm() throws {
        guard config.output.savePiSSAAs == .pissa else { return }
        var reason: String?
        if adapter.initial == nil {
            reason = "says how PiSSA is saved, and lora.init_lora_weights is not pissa; remove it"
        } else if config.lora.useRSLoRA, !(config.lora.rankPattern.isEmpty && config.lora.alphaPattern.isEmpty) {
            reason = "PEFT converts no PiSSA adapter that has use_rslora with rank_pattern or alpha_pattern; write lora"
        }
        if let reason { throw ConfigError(key: "output.save_pissa_as", reason: reason) }
    }

    /// Computes it, each rank a share of the modules, and hands everything to all ranks: they hold the same bits whatever they run on.
    /// Nothing is done for an adapter that was loaded, or that depends on no weights.
    /// - Parameters:
    ///   - workers: take whole modules; LAPACK runs on one thread.
    ///   - placement: of the adapter.
    ///   - world: the ranks; each calls this.
    /// - Throws: a `SharedError` where all ranks fail together, and `MPIError`.
    func complete(on workers: Workers, _ placement: StatePlacement, _ world: Communicator) throws {
        guard config.lora.initAdapter == nil else { return }
        if let initial = adapter.initial {
            try decompose(into: initial, on: workers, world)
            // A and B stand before all else in both.
            try placement.write {
                for entry in initial.layout.entries.indices { adapter.values[entry].copy(from: initial[entry]) }
            }
        }
        guard adapter.norms != nil else { return }
        Decoder(base: base, adapter: adapter, positions: 1).prepare(on: workers)
        try placement.write { adapter.setMagnitudesToNorms() }
        try placement.broadcast(adapter.values)
    }

    private func decompose(into initial: ParameterSlab, on workers: Workers, _ world: Communicator) throws {
        let own = adapter.modules.indices.filter { $0 % world.size == world.rank }
        let failure = Mutex<(any Error)?>(nil)
        let board = world.board
        let room = DispatchSemaphore(value: mostAtOnce(own, available: availableMemory().map { $0 / world.localSize }))
        try world.together {
            workers.run(own.count) { task, _ in
                room.wait()
                defer { room.signal() }
                board.tick()
                let index = own[task]
                do { try decompose(index, into: initial) } catch { failure.withLock { $0 = error } }
            }
            if let error = failure.withLock({ $0 }) { throw error }
        }
        for (index, module) in adapter.modules.enumerated() {
            for entry in [module.a, module.b] {
                let floats = try world.broadcast(initial[entry].elements, from: index % world.size)
                initial[entry].copy(from: floats)
            }
        }
    }

    /// How many modules may be decomposed at a time in half of what is free: exactly, each takes a square matrix of Doubles and panels.
    private func mostAtOnce(_ indices: [Int], available: Int?) -> Int {
        guard case .pissa(iterations: nil) = config.lora.initLoRAWeights else { return max(1, indices.count) }
        let largest =
            indices.map { index in
                let weight = base.weight(of: adapter.modules[index].path)!
                let size = min(weight.rows, weight.columns)
                return 10 * size * size
            }.max() ?? 1
        return max(1, available.map { $0 / 2 / largest } ?? 1)
    }

    private func decompose(_ index: Int, into initial: ParameterSlab) throws {
        let module = adapter.modules[index]
        guard case .pissa(let iterations) = config.lora.initLoRAWeights else { return }
        let random = CounterRandom(seed: UInt64(config.training.seed), purpose: RandomPurpose.subspace(module: index))
        do {
            let factors = try principalFactors(
                of: base.weight(of: module.path)!, rank: module.rank, scale: Double(module.scale),
                method: iterations.map { .iterated($0, random) } ?? .exact)
            initial[module.a].copy(from: factors.a)
            initial[module.b].copy(from: factors.b)
        } catch {
            throw InputError(base.path, reason: "\(module.path).weight: \(error)")
        }
    }
}
