import JSONText
import WeightFiles

/// The members of one `adapter_config.json`, checked one by one.
struct AdapterConfigReader {
    let file: String
    let object: JSONObject

    private func error(_ reason: String) -> WeightFileError { WeightFileError(file: file, reason: reason) }

    /// The value of a key, its default if it is missing or null.
    func value<T>(
        _ key: String, default fallback: T, _ read: (JSON) -> T?, _ expected: String, where isValid: (T) -> Bool
    ) throws -> T {
        guard let json = object[key], !json.isNull else { return fallback }
        guard let value = read(json), isValid(value) else {
            throw error("\(key) is \(Self.shown(json)), expected \(expected)")
        }
        return value
    }

    func optionalString(_ key: String) throws -> String? {
        guard let json = object[key], !json.isNull else { return nil }
        guard let text = json.string else { throw error("\(key) is \(Self.shown(json)), expected a string") }
        return text
    }

    func targetModules() throws -> TargetModules {
        let expected = "expected a list of module names, a regular expression or \"all-linear\""
        switch object["target_modules"] {
        case .string(let text)?: return TargetModules(text)
        case .array(let values)?:
            return .list(
                try values.map { value in
                    guard let name = value.string else {
                        throw error("target_modules holds \(Self.shown(value)), \(expected)")
                    }
                    return name
                })
        case nil, .null?: throw error("target_modules is missing, \(expected)")
        case let other?: throw error("target_modules is \(Self.shown(other)), \(expected)")
        }
    }

    /// Values by regular expression.
    func patterns<T: Equatable & Sendable>(
        _ key: String, _ read: (JSON) -> T?, _ expected: String, where isValid: (T) -> Bool
    ) throws -> ModulePatterns<T> {
        guard let json = object[key], !json.isNull else { return ModulePatterns() }
        guard let members = json.object?.members else {
            throw error("\(key) is \(Self.shown(json)), expected an object of module names and numbers")
        }
        let entries = try members.map { name, json in
            guard let value = read(json), isValid(value) else {
                throw error("\(key): \(name) is \(Self.shown(json)), expected \(expected)")
            }
            return (pattern: name, value: value)
        }
        do { return try ModulePatterns(entries) } catch { throw self.error("\(key): \(error)") }
    }

    /// `layers_to_transform`: one number or several.
    func layers() throws -> [Int]? {
        guard let json = object["layers_to_transform"], !json.isNull else { return nil }
        let numbers = (json.array ?? [json]).map(\.int)
        guard numbers.allSatisfy({ $0.map { $0 >= 0 } ?? false }) else {
            throw error("layers_to_transform is \(Self.shown(json)), expected a layer's number or a list of them")
        }
        return numbers.isEmpty ? nil : numbers.map { $0! }
    }

    /// `exclude_modules`: a list of names, or a regular expression.
    func excludedModules() throws -> TargetModules? {
        guard let json = object["exclude_modules"], !json.isNull else { return nil }
        if let text = json.string { return text.isEmpty ? nil : .regex(text) }
        guard let names = json.array?.map(\.string), names.allSatisfy({ $0 != nil }) else {
            throw error(
                "exclude_modules is \(Self.shown(json)), expected a list of module names or a regular expression")
        }
        return names.isEmpty ? nil : .list(names.map { $0! })
    }

    /// Which biases are trained.
    func bias() throws -> AdapterConfig.Bias {
        guard let json = object["bias"], !json.isNull else { return .none }
        guard let bias = json.string.flatMap(AdapterConfig.Bias.init(rawValue:)) else {
            throw error("bias is \(Self.shown(json)), expected \"none\", \"all\" or \"lora_only\"")
        }
        return bias
    }

    /// `modules_to_save`, by the ends of their names.
    func modulesToSave() throws -> [AdapterConfig.WholeModule] {
        guard let json = object["modules_to_save"], !json.isNull else { return [] }
        let supported = "supported are \"embed_tokens\" and \"lm_head\""
        guard let values = json.array else { throw error("modules_to_save is \(Self.shown(json)), \(supported)") }
        let named = try values.map { value in
            guard let module = value.string.flatMap(AdapterConfig.WholeModule.init(name:)) else {
                throw error("modules_to_save holds \(Self.shown(value)), \(supported)")
            }
            return module
        }
        return AdapterConfig.WholeModule.allCases.filter(named.contains)
    }

    /// How an adapter began, as far as that is known here; but for PiSSA it does not matter for one that is loaded.
    var initLoRAWeights: AdapterConfig.InitLoRAWeights {
        switch object["init_lora_weights"] {
        case .bool(false)?: .random
        case .string("gaussian")?: .gaussian
        case .string(let name)?: AdapterConfig.InitLoRAWeights(pissa: name) ?? .standard
        default: .standard
        }
    }

    /// Throws for every key that asks for what is not supported.
    func refuseUnsupported() throws {
        let type = object["peft_type"]
        guard let type, type.string == "LORA" else {
            throw error("peft_type is \(type.map(Self.shown) ?? "missing"), only \"LORA\" is supported")
        }
        for (key, value) in object.members where !Self.isRead.contains(key) {
            if let accepted = Self.accepted[key] {
                guard value.isNull || value.string.map(accepted.contains) ?? false else {
                    throw error(
                        "\(key) is \(Self.shown(value)), supported is only"
                            + " \(accepted.map { "\"\($0)\"" }.joined(separator: ", "))")
                }
            } else if key == "init_lora_weights" {
                // Other ways of starting change the base model's weights, so that A and B alone are not the adapter.
                guard
                    value.bool != nil || value.isNull || ["gaussian", "orthogonal", "eva"].contains(value.string)
                        || value.string.flatMap(AdapterConfig.InitLoRAWeights.init(pissa:)) != nil
                else { throw error("init_lora_weights is \(Self.shown(value))\(Self.ofChangedBase)") }
            } else if !Self.isOff(value) {
                throw error("\(key) is \(Self.shown(value)): this feature of PEFT is not supported")
            }
        }
    }

    /// What to say of an adapter that is not the whole change of its base.
    static let ofChangedBase =
        ": such an adapter belongs to changed base weights; for PiSSA, OLoRA and CorDA, PEFT's save_pretrained makes a plain one"
        + " of it with path_initial_model_for_weight_conversion"

    /// Keys that are read elsewhere, and keys that do not change what the adapter computes.
    private static let isRead: Set<String> = [
        "r", "lora_alpha", "lora_dropout", "use_rslora", "base_model_name_or_path", "target_modules", "peft_type",
        "inference_mode", "revision", "peft_version", "auto_mapping", "megatron_core", "qalora_group_size",
        "runtime_config", "eva_config", "rank_pattern", "alpha_pattern", "layers_to_transform", "exclude_modules",
        "use_dora", "bias", "modules_to_save",
    ]
    private static let accepted: [String: [String]] = ["task_type": ["CAUSAL_LM"]]

    private static func isOff(_ value: JSON) -> Bool {
        switch value {
        case .null, .bool(false): true
        case .array(let values): values.isEmpty
        case .object(let object): object.count == 0
        case .string(let text): text.isEmpty
        case .bool(true), .integer, .number: false
        }
    }

    /// The value as JSON, cut where it is long.
    private static func shown(_ value: JSON) -> String {
        let text = value.text()
        return text.utf8.count <= 60 ? text : String(text.prefix(57)) + "..."
    }
}
