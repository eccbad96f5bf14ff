/// Section `model`: the frozen base.
public struct ModelConfig: Sendable, Equatable {
    /// A Hugging Face folder or a GGUF file; nil if not given.
    public var path: String?
    /// What the adapter names as its base (`base_model_name_or_path`); nil for the folder's or the GGUF's own name.
    public var baseName: String?
    /// What numbers are computed in.
    public var dtype = Precision.auto

    public init() {}

    /// What the inputs of matrix products are rounded to.
    public enum Precision: String, Sendable, CaseIterable {
        /// The best that is there for this machine.
        case auto
        case fp32
        case bf16

        /// The choices that a config may make.
        static let available: [Precision] = [.auto, .fp32]
    }
}

extension ModelConfig: ConfigSection {
    static let name = "model"
    static let fields: [ConfigField<ModelConfig>] = [
        .path("path", \.path, expected: "the path of a Hugging Face model folder or a GGUF file"),
        .text("base_name", \.baseName, expected: "the name that the adapter gives its base"),
        .choice("dtype", \.dtype, among: Precision.available, note: missingPrecisions),
    ]

    /// Says which precisions have a name but are not there.
    private static var missingPrecisions: String {
        let missing = Precision.allCases.filter { !Precision.available.contains($0) }.map(\.rawValue)
        return missing.isEmpty ? "" : " (\(listing(missing, "and")) is not there yet)"
    }
}
