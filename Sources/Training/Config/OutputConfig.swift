public import LoRA

/// Section `output`: where results go.
public struct OutputConfig: Sendable, Equatable {
    /// The folder of the run; nil if not given.
    public var dir: String?
    /// What the final adapter of a run with PiSSA is.
    public var savePiSSAAs = PiSSAForm.lora
    /// What the numbers of the adapter are written as; those of checkpoints are always float32.
    public var adapterDtype = NumberFormat.float32

    public init() {}

    /// What the final adapter of a run with PiSSA is.
    public enum PiSSAForm: String, Sendable, CaseIterable {
        /// Plain LoRA of twice the rank on the base as it is.
        case lora
        /// As it was trained, on a base that PEFT takes the initial product off, with what it began with in `pissa_init`.
        case pissa
    }
}

extension OutputConfig: ConfigSection {
    static let name = "output"
    static let fields: [ConfigField<OutputConfig>] = [
        .path("dir", \.dir, expected: "the path of a folder for the results"),
        .choice("save_pissa_as", \.savePiSSAAs),
        .choice("adapter_dtype", \.adapterDtype),
    ]
}
