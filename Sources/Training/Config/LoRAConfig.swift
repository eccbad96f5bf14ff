import JSONText

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
    /// Which biases are trained.
    public var bias = Bias.none
    /// The folder of a PEFT adapter to start from. It brings its own r, lora_alpha, target_modules and use_rslora:
    /// what stands here for these does not apply then.
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

    /// Which biases are trained.
    public enum Bias: String, Sendable, CaseIterable { case none }

    /// The keys that `init_adapter` answers.
    static let shapeKeys = ["r", "lora_alpha", "target_modules", "use_rslora"]
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
        .choice("bias", \.bias),
        .path("init_adapter", \.initAdapter, expected: "the folder of a PEFT adapter"),
    ]
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
