import JSONText

/// Section `model`: the frozen base.
public struct ModelConfig: Sendable, Equatable {
    /// A Hugging Face folder or a GGUF file; nil if not given.
    public var path: String?
    /// What the adapter names as its base (`base_model_name_or_path`); nil for the folder's or the GGUF's own name.
    public var baseName: String?
    /// What numbers are computed in.
    public var dtype = Precision.auto
    /// What the linear maps of the base are kept as.
    public var quantization = Quantization.none

    public init() {}

    /// What the linear maps of the base are kept as.
    public enum Quantization: String, Sendable, CaseIterable {
        /// As the model's files have them.
        case none
        /// 4-bit NormalFloat with double quantisation (QLoRA), made once and kept in the cache.
        case nf4
    }

    /// What the inputs of matrix products are rounded to.
    public enum Precision: String, Sendable, CaseIterable {
        /// What the CPU of rank 0 is fast at: `bf16` if it multiplies bf16 numbers by instructions of its own, else `fp32`.
        case auto
        case fp32
        case bf16

        /// - Parameter name: one of these, or PyTorch's name of it: "float32", "bfloat16".
        init?(named name: String) {
            let short = ["float32": "fp32", "bfloat16": "bf16"]
            self.init(rawValue: short[name] ?? name)
        }
    }
}

extension ModelConfig: ConfigSection {
    static let name = "model"
    static let fields: [ConfigField<ModelConfig>] = [
        .path("path", \.path, expected: "the path of a Hugging Face model folder or a GGUF file"),
        .text("base_name", \.baseName, expected: "the name that the adapter gives its base"),
        ConfigField(
            "dtype", \.dtype,
            expected:
                "auto, fp32 or bf16 (not float16: its numbers end at 65,504, and CPUs do not multiply them; bf16 costs as "
                + "little memory)",
            decode: { tree in tree.string.flatMap(Precision.init(named:)) },
            encode: { .string($0.rawValue) }),
        .choice("quantization", \.quantization),
    ]
}
