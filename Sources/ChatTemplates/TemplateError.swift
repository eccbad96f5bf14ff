/// What is wrong with a chat template, or what it says is wrong with a conversation, and where.
public struct TemplateError: Error, CustomStringConvertible, Sendable {
    /// The name of the template, as given when it was read.
    public let template: String
    /// The line of the template's source, from 1.
    public let line: Int
    /// What is wrong. For `raise_exception(text)` exactly that text.
    public let reason: String
    /// Whether the template itself raised this by `raise_exception`: it refuses the conversation.
    public let isRaisedByTemplate: Bool

    public var description: String { "\(template), line \(line): \(reason)" }
}

/// An error inside the interpreter before its place is known: `ChatTemplate` turns it into a `TemplateError`.
struct Fault: Error {
    let reason: String
    /// The line, where the thrower knows it; the interpreter's current line otherwise.
    let line: Int?
    let isRaisedByTemplate: Bool

    init(_ reason: String, line: Int? = nil, isRaisedByTemplate: Bool = false) {
        self.reason = reason
        self.line = line
        self.isRaisedByTemplate = isRaisedByTemplate
    }
}

/// What a template may use before it is stopped. Real templates stay far below all of these.
enum Limits {
    /// Bytes of a template's source.
    static let sourceBytes = 1 << 20
    /// Parentheses, blocks and links of a postfix chain inside one another in the source.
    static let nesting = 100
    /// Expressions, blocks and macro calls inside one another while rendering.
    static let depth = 400
    /// Lists and mappings inside one another.
    static let containerDepth = 300
    /// Values inside one container, counted through all levels; each 16 bytes of a text count as one more.
    static let containerWeight = 1_000_000
    /// Attributes of a namespace, and named arguments of a call.
    static let names = 1000
    /// Passes through all loops of one conversation.
    static let iterations = 500_000
    /// Statements and expressions done for one conversation.
    static let steps = 5_000_000
    /// Elements of `range()`, as in Jinja's sandbox.
    static let range = 100_000
    /// Bytes of the output and of any one string.
    static let textBytes = 8 << 20
    /// Bytes of all strings, and elements of all lists, made or gone through for one conversation.
    static let totalBytes = 1 << 26
}
