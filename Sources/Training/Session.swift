import ChatTemplates
import Collectives
import Datasets
import Foundation
public import LoRA
public import Models
import Tensors
import Tokenizers
import WeightFiles

/// A base model with its tokenizer, template and adapter, opened as a config says.
struct Session {
    let config: RunConfig
    let base: BaseModel
    let tokenizer: Tokenizer
    let template: ChatTemplate?
    let adapter: Adapter?
    let adapterConfig: AdapterConfig?

    /// Which adapter a session has.
    enum AdapterSource {
        case none
        /// As the config's section `lora` says.
        case config
        case folder(String)
    }

    init(config: RunConfig, adapter source: AdapterSource) throws {
        self.config = config
        base = try BaseModel(path: config.model.path!)
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
        case .config:
            if let path = config.lora.initAdapter {
                (adapter, adapterConfig) = try Self.load(path, base)
            } else {
                (adapter, adapterConfig) = try Self.fresh(config, base)
            }
        }
    }

    private static func tokenizer(of base: BaseModel) throws -> Tokenizer {
        if let gguf = base.gguf { return try Tokenizer(gguf: gguf.metadata, file: base.path) }
        return try Tokenizer(folder: base.path)
    }

    private static func template(_ config: RunConfig, _ tokenizer: Tokenizer) throws -> ChatTemplate? {
        if let path = config.data.chatTemplate {
            guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
            else { throw InputError(path, reason: "the chat template cannot be read as UTF-8 text") }
            return try ChatTemplate(source: text, name: path)
        }
        return try tokenizer.chatTemplateSource.map { try ChatTemplate(source: $0.text, name: $0.origin) }
    }

    private static func fresh(_ config: RunConfig, _ base: BaseModel) throws -> (Adapter, AdapterConfig) {
        let lora = config.lora
        let adapterConfig = AdapterConfig(
            r: lora.r, loraAlpha: lora.loraAlpha, loraDropout: lora.loraDropout, targetModules: lora.targetModules.peft,
            useRSLoRA: lora.useRSLoRA, baseModelName: config.model.baseName ?? base.name)
        let adapter = try Self.adapter(adapterConfig, base, key: "lora.target_modules")
        adapter.initialize(seed: UInt64(config.training.seed))
        return (adapter, adapterConfig)
    }

    private static func load(_ path: String, _ base: BaseModel) throws -> (Adapter, AdapterConfig) {
        let (config, tensors) = try PEFTFolder.read(path)
        let adapter = try Self.adapter(config, base, key: "\(path)/adapter_config.json: target_modules")
        try adapter.load(tensors, from: path)
        return (adapter, config)
    }

    private static func adapter(_ config: AdapterConfig, _ base: BaseModel, key: String) throws -> Adapter {
        let matcher = try config.targetModules.matcher()
        let adapter = Adapter(
            groups: base.adaptableGroups, rank: config.r, scale: Float(config.scaling), isTarget: matcher)
        guard !adapter.modules.isEmpty else {
            throw ConfigError(
                key: key,
                reason: "matches no module of the model; modules are named like model.layers.0.self_attn.q_proj, with "
                    + LinearModule.allCases.map { $0.rawValue.split(separator: ".").last! }.joined(separator: ", "))
        }
        return adapter
    }
}

extension BaseModel {
    /// The model's own name, without its place: the GGUF's general.name or the last part of the path.
    var name: String { URL(filePath: path).standardizedFileURL.deletingPathExtension(ofGGUF: gguf != nil).lastPathComponent }
}

extension URL {
    fileprivate func deletingPathExtension(ofGGUF isGGUF: Bool) -> URL { isGGUF ? deletingPathExtension() : self }
}
