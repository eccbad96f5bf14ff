import Collectives
import Datasets
import Foundation
import LoRA
import Models
import Tensors
import Tokenizers

/// Tells what a run will cost, from its config, the shape of its model and its data; weights are not loaded.
/// - Parameters:
///   - config: a config; with `model.path` unless the options give a shape.
///   - options: of the nodes and the network.
/// - Returns: the plan.
/// - Throws: what is wrong with the config, the model's files or the data.
public func makePlan(config: RunConfig, options: PlanOptions) throws -> RunPlan {
    try Planner(config, options).plan()
}

/// What a plan is made from.
private struct Planner {
    let config: RunConfig
    let options: PlanOptions
    /// As the files have it, and as it is trained on.
    let plain: BaseModel, base: BaseModel
    let adapter: Adapter
    let session: Session?
    let data: RunData?
    let assumptions: [String]
    let threads: Int, cores: Int
    /// Of the process with model and data open.
    let overhead: Int
    /// Whether what is kept for the backward pass was chosen here.
    let isChosen: Bool

    init(_ config: RunConfig, _ options: PlanOptions) throws {
        let world = Communicator.alone()
        self.options = options
        plain =
            try options.shape.map { BaseModel(planned: $0.config, path: $0.name) }
            ?? BaseModel(planning: config.model.path!)
        let given = config
        let config = try agreed(config, world).completed(for: plain.config)
        cores = Self.coresOfNode
        threads = options.threads ?? config.training.threads ?? max(1, cores / options.ranksPerNode)
        if config.model.quantization == .nf4 {
            try refuseToQuantizeAgain(plain)
            base = plain.plannedAsNF4()
        } else {
            base = plain
        }
        let reason = Self.reasonWithoutData(config, options, plain)
        let session = reason == nil ? try Session(config: config, base: base, adapterFolder: nil) : nil
        self.session = session
        let cores = cores
        data = try session.map { try RunData($0, world: world, threads: cores) }
        var assumptions: [String] = []
        if let reason {
            assumptions.append(
                "\(reason): a step is taken to be \(config.training.globalBatchSize) examples of data.max_length "
                    + "\(config.data.maxLength) tokens, every token trained")
        }
        if plain.files.isEmpty {
            assumptions.append("there are no weights: they are taken to be in \(plain.linearFormat)")
        }
        self.assumptions = assumptions
        overhead = ProcessMemory.own().anonymousBytes
        // One that training begins with is really loaded, and counts as what training has.
        adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
        let work = data.map { PlannedWork($0, config) } ?? PlannedWork(assuming: config)
        self.config = MemoryPlanner(config: config, work: work, adapter: adapter, threads: threads, overhead: overhead)
            .resolved(
                on: base, ranks: options.ranksPerNode,
                available: options.memoryBytes ?? availableMemory() ?? Int.max)
        isChosen = given.training.activationCheckpointing == .auto
    }

    /// The cores that the ranks of this node may use together: mpirun may have bound each to its own.
    private static var coresOfNode: Int {
        let (own, all) = (AffinityMask.own().cores(), ProcessInfo.processInfo.processorCount)
        return own < all ? min(all, own * (LaunchEnvironment.current?.localSize ?? 1)) : own
    }

    /// Why there is no data to look at; nil if there is.
    private static func reasonWithoutData(_ config: RunConfig, _ options: PlanOptions, _ base: BaseModel) -> String? {
        if config.data.train.isEmpty { return "no data is given (data.train)" }
        if options.shape != nil { return "data.train is not read, as a shape has no tokenizer" }
        if base.gguf == nil, !FileManager.default.fileExists(atPath: base.path + "/tokenizer.json") {
            return "data.train is not read, as there is no tokenizer.json beside config.json"
        }
        return nil
    }

    private func work(_ config: RunConfig) -> PlannedWork {
        data.map { PlannedWork($0, config) } ?? PlannedWork(assuming: config)
    }

    private func planner(_ config: RunConfig, threads: Int, adapter: Adapter? = nil) -> MemoryPlanner {
        MemoryPlanner(
            config: config, work: work(config), adapter: adapter ?? self.adapter, threads: threads, overhead: overhead)
    }

    func plan() throws -> RunPlan {
        let work = work(config)
        let memory = planner(config, threads: threads)
        let ranks = options.ranksPerNode
        let isQuantized = config.model.quantization == .nf4
        let figures = [
            memory.full(on: plain, ranks: ranks), memory.lora("LoRA", on: plain, ranks: ranks),
            memory.lora("QLoRA", on: isQuantized ? base : plain.plannedAsNF4(), ranks: ranks),
        ]
        let configured = isQuantized ? 2 : 1
        let available = options.memoryBytes ?? availableMemory() ?? Int.max
        let fit = FitFigures(
            ranksPerNode: ranks, available: available, isGiven: options.memoryBytes != nil,
            needed: figures[configured].node(ranks: ranks),
            changes: figures[configured].node(ranks: ranks) <= available ? [] : changes(available))
        let decoder = Decoder(planning: config, base: base, adapter: adapter, positions: work.longest)
        let (times, speed) = try speed(decoder, work)
        let scaling = ScalingPlanner(
            work: work, times: times, measuredThreads: threads,
            requestedThreads: options.threads ?? config.training.threads, cores: cores, options: options,
            sumBytes: 8 * adapter.parameterCount)
        let flops = decoder.trainingFLOPs(exampleLengths: work.lengths, trained: work.trained)
        return RunPlan(
            model: description, precision: config.model.precision.rawValue,
            checkpointing: config.training.activationCheckpointing.rawValue, isCheckpointingChosen: isChosen,
            microBatchTokens: config.training.microBatchTokens,
            baseParameters: base.config.parameterCount,
            adapter: AdapterFigures(adapter, baseParameters: base.config.parameterCount, config),
            work: WorkFigures(
                isAssumed: work.isAssumed, examples: work.summary.examples, tokens: work.summary.tokens,
                trainedTokens: work.summary.trainedTokens, longest: work.summary.longest, steps: work.steps,
                tokensPerStep: work.tokensPerStep, piecesPerStep: work.piecesPerStep,
                largestPiece: work.largest.tokens, evaluations: work.evaluations,
                heldOutTokens: work.heldOut.reduce(0) { $0 + $1.tokens },
                flopsPerToken: flops.scaled(by: 1 / Double(max(1, work.lengths.reduce(0, +))))),
            allReduceBytes: 8 * adapter.parameterCount, memory: figures, configured: configured, fit: fit,
            speed: speed,
            scaling: (0...6).map { 1 << $0 }.map { ranks in
                var own = figures[configured]
                own.buffers = MemoryPlanner.buffers(threads: scaling.threads(ranks), ranks: ranks)
                return scaling.figures(ranks, nodeBytes: own.node(ranks: scaling.local(ranks)))
            },
            doubts: doubts(full: figures[0].node(ranks: ranks), available: available), assumptions: assumptions)
    }

    private var description: String {
        let form =
            options.shape != nil
            ? "shape" : plain.gguf != nil ? "GGUF" : plain.files.isEmpty ? "config.json" : "Hugging Face folder"
        let quantized = config.model.quantization == .nf4 ? ", linear maps as nf4" : ""
        return "\(plain.name) (\(form), \(plain.config.layers) layers, hidden \(plain.config.hidden), "
            + "\(plain.linearFormat)\(quantized))"
    }

    private func speed(_ decoder: Decoder, _ work: PlannedWork) throws -> (PieceTimes, SpeedFigures) {
        var speed = SpeedFigures(
            isGiven: true, rawFLOPS: 0, stepFLOPS: 0, threads: threads, layers: 0, tokens: work.meanPiece.tokens,
            seconds: 0, networkGigabits: options.networkGigabits, latencySeconds: options.latencySeconds)
        if let given = options.gigaflops {
            speed.rawFLOPS = given * 1e9
            speed.stepFLOPS = speed.rawFLOPS * PieceTimes.efficiency(config.model.precision.rawValue)
            let times = PieceTimes(
                rate: speed.rawFLOPS, decoder: decoder, parameters: adapter.parameterCount)
            return (times, speed)
        }
        let others = min(cores - threads, (options.ranksPerNode - 1) * threads)
        let probe = try SpeedProbe(
            config: config, base: base, adapter: adapter, work: work, threads: threads, others: max(0, others)
        ).measure()
        speed.isGiven = false
        (speed.rawFLOPS, speed.stepFLOPS) = (probe.rawFLOPS, probe.stepFLOPS)
        (speed.layers, speed.tokens, speed.seconds) = (probe.layers, probe.tokens, probe.seconds)
        return (probe.times, speed)
    }

    private func doubts(full: Int, available: Int) -> [String] {
        var doubts = PlanDoubts.ranks(adapter)
        if let session, let template = session.templateText {
            let tokenizer = session.tokenizer
            doubts += [
                PlanDoubts.tokens(template: template, tokenizer: tokenizer),
                adapter.whole[.embedding] == nil
                    ? PlanDoubts.embeddings(template: template, tokenizer: tokenizer, base: plain) : nil,
            ].compactMap { $0 }
        }
        if let doubt = PlanDoubts.size(base, full: full, available: available) { doubts.append(doubt) }
        return doubts
    }

    // MARK: What to change

    /// The most bytes of a node with another config, or fewer ranks.
    private func needed(_ config: RunConfig, ranks: Int? = nil) -> Int? {
        let base = config.model.quantization == .nf4 ? plain.plannedAsNF4() : plain
        guard let adapter = try? Session.adapter(of: config, for: base, isPlanned: true).0 else { return nil }
        let ranks = ranks ?? options.ranksPerNode
        let threads = options.threads ?? config.training.threads ?? max(1, cores / ranks)
        return planner(config, threads: threads, adapter: adapter).lora("", on: base, ranks: ranks).node(ranks: ranks)
    }

    /// Settings that let the run fit: each by itself where one is enough, else all together.
    private func changes(_ available: Int) -> [(change: String, needed: Int)] {
        var single: [(change: String, needed: Int)] = []
        var together = config
        var names: [String] = []
        func consider(_ name: String, _ change: (inout RunConfig) -> Void) {
            var changed = config
            change(&changed)
            guard let needed = needed(changed) else { return }
            change(&together)
            names.append(name)
            single.append((name, needed))
        }
        if config.training.activationCheckpointing != .block {
            consider("training.activation_checkpointing: block") { $0.training.activationCheckpointing = .block }
        }
        if config.model.quantization == .none, plain.quantized == nil {
            consider("model.quantization: nf4") { $0.model.quantization = .nf4 }
        }
        let longest = data?.longest ?? config.data.maxLength
        if config.training.microBatchTokens > longest {
            consider("training.micro_batch_tokens: \(longest)") { $0.training.microBatchTokens = longest }
        } else if config.data.maxLength > 256, data == nil || data!.longest > 256 {
            single += shorter(config, available)
        }
        for ranks in stride(from: options.ranksPerNode - 1, through: 1, by: -1) {
            guard let needed = needed(config, ranks: ranks), needed <= available || ranks == 1 else { continue }
            single.append(("\(ranks) \(ranks == 1 ? "rank" : "ranks") a node", needed))
            break
        }
        let enough = single.filter { $0.needed <= available }
        if !enough.isEmpty { return enough }
        if names.count > 1, let needed = needed(together) {
            let all = names.joined(separator: ", ")
            if needed > available, let more = shorter(together, available).first {
                return [("\(all), \(more.change)", more.needed)]
            }
            return [(all, needed)]
        }
        return single.min { $0.needed < $1.needed }.map { [$0] } ?? []
    }

    /// Half the length of examples again and again, until the run fits.
    private func shorter(_ config: RunConfig, _ available: Int) -> [(change: String, needed: Int)] {
        // What examples would be cut to is known without reading them again: none is longer.
        var changed = config
        while changed.data.maxLength > 256 {
            changed.data.maxLength /= 2
            changed.training.microBatchTokens = min(config.training.microBatchTokens, changed.data.maxLength)
            let base = config.model.quantization == .nf4 ? plain.plannedAsNF4() : plain
            let planner = MemoryPlanner(
                config: changed, work: PlannedWork(assuming: changed), adapter: adapter, threads: threads,
                overhead: overhead)
            let needed = planner.lora("", on: base, ranks: options.ranksPerNode).node(ranks: options.ranksPerNode)
            if needed <= available {
                let tokens = changed.data.maxLength
                return [("data.max_length and training.micro_batch_tokens: \(tokens)", needed)]
            }
        }
        return []
    }
}
