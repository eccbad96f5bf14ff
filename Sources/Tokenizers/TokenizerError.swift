/// What is wrong with a tokenizer's file, or with a text given to it.
public struct TokenizerError: Error, CustomStringConvertible, Sendable {
    /// The file as it was given; nil where a text is at fault.
    public let file: String?
    /// What was found, where in the file (its key), and what was expected.
    public let reason: String

    public init(file: String?, reason: String) {
        self.file = file
        self.reason = reason
    }

    public var description: String { file.map { "\($0): \(reason)" } ?? reason }
}
