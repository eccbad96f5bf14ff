/// Section `output`: where results go.
public struct OutputConfig: Sendable, Equatable {
    /// The folder of the run; nil if not given.
    public var dir: String?

    public init() {}
}

extension OutputConfig: ConfigSection {
    static let name = "output"
    static let fields: [ConfigField<OutputConfig>] = [
        .path("dir", \.dir, expected: "the path of a folder for the results")
    ]
}
