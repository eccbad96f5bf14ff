import ChatTemplates
import Collectives
import Datasets
import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Tokenizers
import WeightFiles

/// A base model with its tokenizer, template and adapter, opened as a config says.
struct Session {
    var config: RunConfig
    let base: BaseModel
    let tokenizer: Tokenizer
    let template: ChatTemplate?
    private(set) var adapter: Adapter?
    let adapterConfig: AdapterConfig?

    /// Which adapter a session has.
    enum AdapterSource {
        case none
        /// As the config's section `lora` says.
        case config
        case folder(String)
    }

    init(config: RunConfig, base: BaseModel, adapter source: AdapterSource) throws {
        let config = config.completed(for: base.config)
        self.config = config
        self.base = base
        tokenizer = try Self.tokenizer(of: base)
        template = try Self.template(config, tokenizer)
        guard tokenizer.vocabularySize <= base.config.vocabulary else {
            throw InputError(
                base.path,
                reason: "the tokenizer has \(tokenizer.vocabularySize) tokens and the embedding table "
                    + "\(base.config.vocabulary) rows: they are not of one model")
        }
        switch source {
        case .none: (adapter, adapterConfig) = (nil, nil)
        case .folder(let path): (adapter, adapterConfig) = try Self.load(path, base)
        case .config: (adapter, adapterConfig) = try Self.adapter(of: config, for: base)
        }
    }

    /// The adapter that the section `lora` asks for: fresh, or the one that training begins with. `isPlanned` leaves a fresh one
    /// without values, so that it takes no memory.
    static func adapter(
        of config: RunConfig, for base: BaseModel, isPlanned: Bool = false
    ) throws -> (Adapter, AdapterConfig) {
        guard let path = config.lora.initAdapter else { return try fresh(config, base, isPlanned: isPlanned) }
        let (adapter, loaded) = try load(path, base)
        var adapterConfig = loaded
        adapterConfig.loraDropout = config.lora.loraDropout
        adapterConfig.baseModelName = config.model.baseName ?? adapterConfig.baseModelName ?? base.name
        return (adapter, adapterConfig)
    }

    /// Moves the adapter to where the placement says; every rank must call this.
    /// - Throws: the same `SharedError` on all ranks where those of a node cannot share memory.
    mutating func placeAdapter(_ placement: StatePlacement) throws {
        adapter = try adapter.map { try placement.placed($0) }
    }

    /// A session with the adapter of a folder, or none.
    init(config: RunConfig, base: BaseModel, adapterFolder: String?) throws {
        try self.init(config: config, base: base, adapter: adapterFolder.map { .folder($0) } ?? .none)
    }

    private static func tokenizer(of base: BaseModel) throws -> Tokenizer {
        if let gguf = base.gguf { return try Tokenizer(gguf: gguf.metadata, file: base.path) }
        return try Tokenizer(folder: base.path)
    }

    private static func template(_ config: RunConfig, _ tokenizer: Tokenizer) throws -> ChatTemplate? {
        try templateSource(config, tokenizer).map { try ChatTemplate(source: $0.text, name: $0.origin) }
    }

    private static func templateSource(
        _ config: RunConfig, _ tokenizer: Tokenizer
    ) throws -> (text: String, origin: String)? {
        guard let path = config.data.chatTemplate else { return tokenizer.chatTemplateSource }
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else { throw InputError(path, reason: "the chat template cannot be read as UTF-8 text") }
        return (text, path)
    }

    /// The text of the chat template.
    var templateText: String? { (try? Self.templateSource(config, tokenizer))?.text }

    private static func fresh(
        _ config: RunConfig, _ base: BaseModel, isPlanned: Bool
    ) throws -> (Adapter, AdapterConfig) {
        let lora = config.lora
        var adapterConfig = AdapterConfig(
            r: lora.r, loraAlpha: lora.loraAlpha, loraDropout: lora.loraDropout, targetModules: lora.targetModules.peft,
            useRSLoRA: lora.useRSLoRA, baseModelName: config.model.baseName ?? base.name)
        adapterConfig.rankPattern = lora.rankPattern
        adapterConfig.alphaPattern = lora.alphaPattern
        adapterConfig.layersToTransform = lora.layersToTransform.isEmpty ? nil : lora.layersToTransform
        adapterConfig.excludeModules = lora.excludeModules?.peft
        adapterConfig.initLoRAWeights = lora.initLoRAWeights
        adapterConfig.useDoRA = lora.useDoRA
        adapterConfig.bias = lora.bias
        adapterConfig.modulesToSave = lora.modulesToSave
        let adapter = try adapter(adapterConfig, base)
        try checkBiases(adapter, lora.bias, base)
        try AdapterStart(config, base, adapter).check()
        guard !isPlanned else { return (adapter, adapterConfig) }
        try checkRoom(adapter, available: availableMemory())
        adapter.initialize(adapterConfig.initLoRAWeights, seed: UInt64(config.training.seed))
        adapter.takeValues(of: base)
        return (adapter, adapterConfig)
    }

    /// - Throws: `ConfigError` if biases are to be trained and there are none.
    private static func checkBiases(_ adapter: Adapter, _ bias: LoRAConfig.Bias, _ base: BaseModel) throws {
        guard bias != .none, adapter.biases.isEmpty else { return }
        let hasAny = base.config.attentionBias || base.config.mlpBias
        throw ConfigError(
            key: "lora.bias",
            reason: hasAny
                ? "is lora_only, and none of the adapted modules has a bias in \(base.path); write all or none"
                : "is \(bias.rawValue), and \(base.path) has no biases, so that nothing would be trained; write none")
    }

    /// - Throws: `ConfigError` if values, sums and moments of an adapter are more than this node has, before they are written.
    static func checkRoom(_ adapter: Adapter, available: Int?) throws {
        let needed = 20 * adapter.parameterCount
        guard let available, needed > available else { return }
        throw ConfigError(
            key: "",
            reason:
                "\(adapter.parameterCount) trained numbers take at least \(gibibytes(needed)) with their gradients and "
                + "moments, where \(gibibytes(available)) are free; lower lora.r, or train fewer modules (lora-dist plan tells what a "
                + "run takes)")
    }

    private static func load(_ path: String, _ base: BaseModel) throws -> (Adapter, AdapterConfig) {
        let folder = try PEFTFolder.read(path)
        let adapter = Adapter(
            groups: base.adaptableGroups, targets: folder.modules, config: folder.config,
            vocabulary: base.vocabularyShape)
        let own = Set(adapter.modules.map(\.path))
        if let stranger = folder.modules.first(where: { !own.contains($0) }) {
            throw InputError(
                path, reason: "adapts \(stranger), which \(base.path) does not have: it is of another model")
        }
        let names = Set(adapter.values.layout.entries.map { Adapter.peftPrefix + $0.name })
        if let stranger = folder.tensors.first(where: { !names.contains($0.name) }) {
            throw InputError(
                path, reason: "holds \(stranger.name), which \(base.path) does not have: it is of another model")
        }
        try adapter.load { name, rows, columns in
            guard let tensor = folder[name] else {
                throw InputError(
                    path,
                    reason: "\(name) is missing: bias is \(folder.config.bias.rawValue), and \(base.path) has this bias"
                )
            }
            guard tensor.rows == rows, tensor.columns == columns else {
                throw InputError(
                    path,
                    reason: "\(name) is (\(tensor.rows), \(tensor.columns)), expected (\(rows), \(columns)) for "
                        + "\(base.path): it is of another model")
            }
            return tensor.floats
        }
        adapter.loadInitial { name, _, _ in folder.initial.first { $0.name.utf8.elementsEqual(name.utf8) }!.floats }
        return (adapter, folder.config)
    }

    /// - Throws: `ConfigError` for a part of the section that cannot be used with this model, or changes nothing in it.
    private static func adapter(_ config: AdapterConfig, _ base: BaseModel) throws -> Adapter {
        let targets: [String]
        let modules = base.linearPaths
        do {
            targets = try config.select(from: modules)
            try config.checkThatAllApplies(to: modules, adapted: targets)
        } catch { throw ConfigError(key: "lora.\(error.key)", reason: error.reason) }
        return Adapter(
            groups: base.adaptableGroups, targets: targets, config: config, vocabulary: base.vocabularyShape)
    }

    /// How rows become examples, and conversations prompts.
    var dataOptions: DataOptions {
        let data = config.data
        return DataOptions(
            trainOn: data.trainOn?.datasets, maxLength: data.maxLength, longExamples: data.longExamples.datasets,
            columns: Dictionary(
                uniqueKeysWithValues: data.columns.compactMap { key, value in
                    DataColumn(rawValue: key).map { ($0, value) }
                }),
            templateDate: data.templateDate.flatMap { TemplateDate(parsing: $0) },
            endTokenIDs: base.config.endTokens)
    }
}

extension LoRAConfig.TargetModules {
    /// The same in the terms of PEFT's files.
    fileprivate var peft: TargetModules {
        switch self {
        case .allLinear: .allLinear
        case .suffixes(let suffixes): .list(suffixes)
        case .pattern(let pattern): .regex(pattern)
        }
    }
}

extension DataConfig.TrainOn {
    fileprivate var datasets: Datasets.TrainOn {
        switch self {
        case .assistant: .assistant
        case .lastAssistant: .lastAssistant
        case .completion: .completion
        case .all: .all
        }
    }
}

extension DataConfig.LongExamples {
    fileprivate var datasets: Datasets.LongExamples {
        switch self {
        case .truncate: .truncate
        case .drop: .drop
        case .error: .error
        }
    }
}

extension BaseModel {
    /// The model's own name without its place: that of the folder, or of the GGUF file without its ending.
    var name: String {
        let url = URL(filePath: path).standardizedFileURL
        return (gguf == nil ? url : url.deletingPathExtension()).lastPathComponent
    }
}
