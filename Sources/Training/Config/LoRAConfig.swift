import JSONText
public import LoRA

/// Section `lora`: the adapter. Keys are those of PEFT's `LoraConfig`.
public struct LoRAConfig: Sendable, Equatable {
    /// The rank of the adapter's matrices.
    public var r = 16
    /// The adapter is scaled by lora_alpha / r, or by lora_alpha / √r with `use_rslora`.
    public var loraAlpha = 32.0
    /// The share of the adapter's inputs that training sets to 0.
    public var loraDropout = 0.0
    /// Which linear layers get an adapter.
    public var targetModules = TargetModules.allLinear
    public var useRSLoRA = false
    /// Trains a magnitude for each output as well: DoRA.
    public var useDoRA = false
    /// How A and B begin.
    public var initLoRAWeights = InitLoRAWeights.standard
    /// Ranks and alphas of modules that differ from the adapter's, by regular expression: the first that matches counts.
    public var rankPattern = ModulePatterns<Int>()
    public var alphaPattern = ModulePatterns<Double>()
    /// The layers that are adapted, by number from 0; empty for all.
    public var layersToTransform: [Int] = []
    /// Modules that are left out of `targetModules`; nil for none.
    public var excludeModules: TargetModules?
    /// Which biases are trained.
    public var bias = Bias.none
    /// Modules that are trained and saved whole, beside the adapter.
    public var modulesToSave: [WholeModule] = []
    /// The folder of a PEFT adapter to start from, which answers `shapeKeys`.
    public var initAdapter: String?

    public init() {}

    /// Which linear layers get an adapter.
    public enum TargetModules: Sendable, Equatable {
        /// Every linear layer but the output head.
        case allLinear
        /// Layers whose name is one of these or ends with "." and one of these.
        case suffixes([String])
        /// Layers whose whole name matches this regular expression.
        case pattern(String)
    }

    public typealias InitLoRAWeights = AdapterConfig.InitLoRAWeights

    /// Which biases are trained.
    public typealias Bias = AdapterConfig.Bias
    /// A module that can be trained whole.
    public typealias WholeModule = AdapterConfig.WholeModule

    /// The keys that `init_adapter` answers.
    static let shapeKeys = [
        "r", "lora_alpha", "target_modules", "use_rslora", "init_lora_weights", "rank_pattern", "alpha_pattern",
        "layers_to_transform", "exclude_modules", "use_dora", "bias", "modules_to_save",
    ]
}

extension LoRAConfig: ConfigSection {
    static let name = "lora"
    static let fields: [ConfigField<LoRAConfig>] = [
        .integer("r", \.r, atMost: 65_536),
        .number("lora_alpha", \.loraAlpha, .above(0)),
        .number("lora_dropout", \.loraDropout, .share),
        ConfigField(
            "target_modules", \.targetModules,
            expected: "all-linear, a list of name suffixes such as [q_proj, v_proj], or a regular expression",
            decode: TargetModules.init(tree:), encode: \.tree),
        .flag("use_rslora", \.useRSLoRA),
        .flag("use_dora", \.useDoRA),
        ConfigField(
            "init_lora_weights", \.initLoRAWeights,
            expected:
                "true, false, gaussian, pissa or pissa_niter_N with N power iterations (not PEFT's loftq, olora, eva, "
                + "corda, orthogonal and the rest)",
            decode: InitLoRAWeights.init(tree:), encode: \.tree),
        ConfigField(
            "rank_pattern", \.rankPattern,
            expected: "regular expressions of module names with whole numbers of at least 1",
            decode: { patterns($0) { $0.int.flatMap { $0 >= 1 && $0 <= 65_536 ? $0 : nil } } },
            encode: { patternTree($0) { .integer(Int64($0)) } }),
        ConfigField(
            "alpha_pattern", \.alphaPattern, expected: "regular expressions of module names with numbers above 0",
            decode: { patterns($0) { $0.double.flatMap { $0.isFinite && $0 > 0 ? $0 : nil } } },
            encode: { patternTree($0) { .number($0) } }),
        ConfigField(
            "layers_to_transform", \.layersToTransform, expected: "a layer's number from 0, or a list of them",
            decode: { tree in
                if tree.isNull { return [] }
                let numbers = (tree.array ?? [tree]).map(\.int)
                guard numbers.allSatisfy({ $0.map { $0 >= 0 && $0 < 100_000 } ?? false }) else { return nil }
                return numbers.map { $0! }
            },
            encode: { $0.isEmpty ? nil : .array($0.map { .integer(Int64($0)) }) }),
        ConfigField(
            "exclude_modules", \.excludeModules,
            expected: "a list of name suffixes such as [down_proj], or a regular expression",
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let modules = TargetModules(tree: tree), modules != .allLinear else { return nil }
                return .some(modules)
            },
            encode: { $0?.tree }),
        .choice("bias", \.bias),
        ConfigField(
            "modules_to_save", \.modulesToSave, expected: "a list of embed_tokens, lm_head",
            decode: { tree in
                if tree.isNull { return [] }
                guard let names = tree.array?.map(\.string) else { return nil }
                let modules = names.map { $0.flatMap(WholeModule.init(name:)) }
                guard modules.allSatisfy({ $0 != nil }) else { return nil }
                return WholeModule.allCases.filter(modules.contains)
            },
            encode: { $0.isEmpty ? nil : .array($0.map { .string($0.rawValue) }) }),
        .path("init_adapter", \.initAdapter, expected: "the folder of a PEFT adapter"),
    ]
}

/// Values by regular expression, in the order given; nil for what is none.
private func patterns<Value>(_ tree: JSON, _ read: (JSON) -> Value?) -> ModulePatterns<Value>? {
    if tree.isNull { return ModulePatterns() }
    guard let members = tree.object?.members else { return nil }
    var patterns: [(pattern: String, value: Value)] = []
    for (pattern, json) in members {
        guard !pattern.isEmpty, let value = read(json) else { return nil }
        patterns.append((pattern, value))
    }
    return try? ModulePatterns(patterns)
}

private func patternTree<Value>(_ patterns: ModulePatterns<Value>, _ write: (Value) -> JSON) -> JSON? {
    guard !patterns.isEmpty else { return nil }
    return .object(JSONObject(patterns.entries.map { ($0.pattern, write($0.value)) }))
}

extension LoRAConfig.InitLoRAWeights {
    fileprivate init?(tree: JSON) {
        switch tree {
        case .bool(true): self = .standard
        case .bool(false): self = .random
        case .string("gaussian"): self = .gaussian
        case .string(let name):
            guard let pissa = Self(pissa: name) else { return nil }
            self = pissa
        default: return nil
        }
    }

    fileprivate var tree: JSON? {
        switch self {
        case .standard: .bool(true)
        case .random: .bool(false)
        case .gaussian: .string("gaussian")
        case .pissa: .string(pissaName!)
        }
    }
}

extension LoRAConfig.TargetModules {
    fileprivate init?(tree: JSON) {
        switch tree {
        case .string("all-linear"): self = .allLinear
        case .string(let text):
            guard !text.isEmpty, (try? Regex(text)) != nil else { return nil }
            self = .pattern(text)
        case .array(let elements):
            let suffixes = elements.compactMap(\.string).filter { !$0.isEmpty }
            guard suffixes.count == elements.count, !suffixes.isEmpty else { return nil }
            self = .suffixes(suffixes)
        default: return nil
        }
    }

    fileprivate var tree: JSON? {
        switch self {
        case .allLinear: .string("all-linear")
        case .suffixes(let suffixes): .array(suffixes.map { .string($0) })
        case .pattern(let pattern): .string(pattern)
        }
    }
}
