internal import ChatTemplates
internal import JSONText
internal import Tokenizers

/// A model's tokenizer as the maker of examples uses it.
struct ModelEncoder: TextEncoder {
    let tokenizer: Tokenizer
    let addedBOS: Int32?
    private let specials: [[UInt8]: Int32]

    /// - Throws: errors of the tokenizer.
    init(_ tokenizer: Tokenizer) throws {
        self.tokenizer = tokenizer
        let bos = tokenizer.bosToken?.id
        // Whether BOS is put before a text is what the tokenizer does with one.
        addedBOS = try tokenizer.encode(Array("a".utf8), addSpecialTokens: true).ids.first == bos ? bos : nil
        specials = Dictionary(
            tokenizer.specialTokens.map { (Array($0.text.utf8), $0.id) }, uniquingKeysWith: { first, _ in first })
    }

    func encode(_ text: [UInt8]) throws -> (ids: [Int32], ranges: [Range<Int>]) {
        let encoding = try tokenizer.encode(text, addSpecialTokens: false)
        return (encoding.ids, encoding.ranges)
    }

    var eos: Int32? { tokenizer.eosToken?.id }

    func specialToken(_ text: String) -> Int32? { specials[Array(text.utf8)] }
}

/// A model's chat template with the tokenizer's tokens and the run's date.
struct ModelRenderer: ConversationRenderer {
    let template: ChatTemplate
    let bosToken: String?
    let eosToken: String?
    let date: TemplateDate?

    init(_ template: ChatTemplate, tokenizer: Tokenizer, date: TemplateDate?) {
        self.template = template
        bosToken = tokenizer.bosToken?.text
        eosToken = tokenizer.eosToken?.text
        self.date = date
    }

    func render(_ messages: [JSON], tools: JSON?, addGenerationPrompt: Bool) throws -> RenderedConversation {
        try template.conversation(
            messages, tools: tools, addGenerationPrompt: addGenerationPrompt, bosToken: bosToken, eosToken: eosToken,
            date: date)
    }
}

extension ChatTemplate {
    /// Renders messages, and says which text came from whom.
    /// - Throws: `TemplateError`.
    func conversation(
        _ messages: [JSON], tools: JSON?, addGenerationPrompt: Bool, bosToken: String?, eosToken: String?,
        date: TemplateDate?
    ) throws -> RenderedConversation {
        let rendered = try render(
            messages: messages, addGenerationPrompt: addGenerationPrompt, bosToken: bosToken, eosToken: eosToken,
            tools: tools, date: date)
        return RenderedConversation(
            text: rendered.text,
            assistant: rendered.assistantSpans.map { MessageSpan(message: $0.message, range: $0.range) },
            others: rendered.otherSpans.map { MessageSpan(message: $0.message, range: $0.range) },
            usesGenerationBlocks: rendered.usesGenerationBlocks)
    }
}
