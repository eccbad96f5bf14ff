public import LoRA

/// Section `output`: where results go.
public struct OutputConfig: Sendable, Equatable {
    /// The folder of the run; nil if not given.
    public var dir: String?
    /// What the numbers of the adapter are written as; those of checkpoints are always float32.
    public var adapterDtype = NumberFormat.float32

    public init() {}
}

extension OutputConfig: ConfigSection {
    static let name = "output"
    static let fields: [ConfigField<OutputConfig>] = [
        .path("dir", \.dir, expected: "the path of a folder for the results"),
        .choice("adapter_dtype", \.adapterDtype),
    ]
}
