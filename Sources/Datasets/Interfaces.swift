internal import JSONText

/// What examples need of a tokenizer; tests put toys in its place.
protocol TextEncoder: Sendable {
    /// Ids of the text, special tokens in it recognised, none added, and the bytes that each covers.
    func encode(_ text: [UInt8]) throws -> (ids: [Int32], ranges: [Range<Int>])
    /// The beginning-of-sequence token, if the tokenizer puts one before a text.
    var addedBOS: Int32? { get }
    /// The end-of-sequence token.
    var eos: Int32? { get }
    /// The special token with exactly this text.
    func specialToken(_ text: String) -> Int32?
}

/// A piece of rendered text and the message it came from.
struct MessageSpan: Sendable, Equatable {
    /// Index into the messages that were rendered.
    var message: Int
    /// Bytes of the rendered text.
    var range: Range<Int>
}

/// A conversation as text.
struct RenderedConversation: Sendable {
    var text: [UInt8]
    /// What came from the assistant's messages, in the order of the text.
    var assistant: [MessageSpan]
    /// What came from all other messages, in the order of the text.
    var others: [MessageSpan]
    /// Whether `assistant` are the template's own `{% generation %}` blocks.
    var usesGenerationBlocks: Bool
}

/// What examples need of a chat template.
protocol ConversationRenderer: Sendable {
    /// The text of the messages.
    func render(_ messages: [JSON], tools: JSON?, addGenerationPrompt: Bool) throws -> RenderedConversation
}
