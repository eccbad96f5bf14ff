public import ChatTemplates
public import JSONText
public import Tokenizers

/// Tokens of a prompt, made exactly as those of training examples are: same template, same BOS.
public struct PromptEncoder: Sendable {
    private let builder: ExampleBuilder

    /// - Throws: errors of the tokenizer.
    public init(tokenizer: Tokenizer, template: ChatTemplate?, options: DataOptions) throws {
        builder = try ExampleBuilder(tokenizer: tokenizer, template: template, options: options)
    }

    /// The tokens that end a turn: generation stops at any of them.
    public var stopTokens: Set<Int32> { builder.stops.ids }

    /// The tokens of a conversation that the assistant is to continue.
    /// - Throws: `DatasetError` if the model has no chat template; errors of the template and the tokenizer.
    public func tokens(of messages: [JSON], tools: JSON? = nil) throws -> [Int32] {
        guard let renderer = builder.renderer else {
            throw DatasetError(
                reason:
                    "a conversation needs a chat template, and the model has none; name one: data.chat_template: FILE")
        }
        return try builder.prompt(renderer.render(messages, tools: tools, addGenerationPrompt: true).text)
    }

    /// The tokens of a text that is to be continued as it stands.
    /// - Throws: errors of the tokenizer.
    public func tokens(of text: String) throws -> [Int32] { try builder.prompt(Array(text.utf8)) }
}
