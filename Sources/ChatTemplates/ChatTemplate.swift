public import JSONText

/// A model's own Jinja template that turns a conversation into the text the model was trained on.
///
/// The language is what chat templates use of Jinja2, with Transformers' settings (`trim_blocks`, `lstrip_blocks`, an
/// immutable sandbox, `break` and `continue`, `{% generation %}`, its own `tojson`, `raise_exception`, `strftime_now`) and
/// Python's meaning of values. Integers have 64 bits. Anything unknown (filters, tests, tags) is an error when the template
/// is read; nothing is guessed.
public struct ChatTemplate: Sendable {
    /// The name given, for messages.
    public let name: String
    /// Whether the template marks what the assistant says by `{% generation %}` blocks.
    public let usesGenerationBlocks: Bool
    private let statements: [Statement]
    private let symbols: [String: Symbol]
    private let symbolNames: [String]
    private let prompts = GenerationPrompts()

    /// Reads a template.
    /// - Throws: `TemplateError` with the line for anything that is not of the language.
    public init(source: String, name: String) throws {
        self.name = name
        guard source.utf8.count <= Limits.sourceBytes else {
            throw TemplateError(
                template: name, line: 1,
                reason: "the template has \(source.utf8.count) bytes, at most \(Limits.sourceBytes) are read",
                isRaisedByTemplate: false)
        }
        do {
            var parser = Parser(try Lexer.tokens(of: source))
            statements = try parser.template()
            symbols = parser.symbols
            usesGenerationBlocks = parser.usesGenerationBlocks
        } catch let fault as Fault {
            throw TemplateError(template: name, line: fault.line ?? 1, reason: fault.reason, isRaisedByTemplate: false)
        }
        symbolNames = symbols.sorted { $0.value < $1.value }.map(\.key)
    }

    /// A conversation as text.
    public struct Rendered: Sendable {
        /// UTF-8.
        public var text: [UInt8]
        /// Byte ranges of `text` that the assistant said, ascending and disjoint, each with the index of its message; a
        /// message may have several. If the template has `{% generation %}` blocks, those blocks; else what came from the
        /// messages with the role `assistant` (see `AssistantSpans`). The token that ends the turn is outside of a span,
        /// as may be the closing text of a tool call: go on to the first such token. A range is empty where an empty
        /// message was put.
        public var assistantSpans: [(message: Int, range: Range<Int>)]
        /// Byte ranges of `text` that came from all other messages, likewise: no turn of the assistant goes on beyond the
        /// next of them.
        public var otherSpans: [(message: Int, range: Range<Int>)]
        public var usesGenerationBlocks: Bool
    }

    /// Renders a conversation.
    /// - Parameters:
    ///   - messages: objects with `role`, `content` and what else the template reads.
    ///   - addGenerationPrompt: whether to end with the beginning of an assistant's turn.
    ///   - bosToken: the variable `bos_token`; nil if the tokenizer has none, which leaves it undefined.
    ///   - eosToken: the variable `eos_token`, likewise.
    ///   - tools: JSON schemas of the functions that the assistant may call.
    ///   - extra: more variables, such as `enable_thinking`; they win over all others but `messages`.
    ///   - date: what `strftime_now` prints; nil makes that an error.
    /// - Returns: the text and which of it the assistant said.
    /// - Throws: `TemplateError` with the line of the template: what the template raises, an operation that Python does not
    ///   have, or a limit on nesting, loops or text.
    public func render(
        messages: [JSON], addGenerationPrompt: Bool, bosToken: String? = nil, eosToken: String? = nil,
        tools: JSON? = nil, extra: [(String, JSON)] = [], date: TemplateDate? = nil
    ) throws -> Rendered {
        var variables: [(String, JSON)] = [
            ("tools", tools ?? .null), ("documents", .null), AssistantSpans.prompting(addGenerationPrompt),
        ]
        if let bosToken { variables.append(("bos_token", .string(bosToken))) }
        if let eosToken { variables.append(("eos_token", .string(eosToken))) }
        variables += extra
        let budget = Budget()
        let output = try run(messages, variables, date, budget)
        let isAssistant = messages.map { $0["role"]?.string?.utf8.elementsEqual("assistant".utf8) ?? false }
        let others = AssistantSpans.runs(in: output).filter { !isAssistant[$0.message] }
        if usesGenerationBlocks {
            return Rendered(
                text: output.bytes, assistantSpans: AssistantSpans.generations(in: output), otherSpans: others,
                usesGenerationBlocks: true)
        }
        let prompt = isAssistant.contains(true) ? generationPrompt(variables, date) : []
        let spans = try AssistantSpans.spans(
            in: output, isAssistant: isAssistant, generationPrompt: prompt
        ) { message in
            guard let calls = messages[message]["tool_calls"]?.array, !calls.isEmpty else { return nil }
            let variables = variables + [AssistantSpans.prompting(true)]
            do {
                let start = try run(Array(messages[..<message]), variables, date, budget).bytes
                return output.bytes.starts(with: start) ? start.count : nil
            } catch {
                if budget.isSpent { throw error }
                return nil
            }
        }
        return Rendered(text: output.bytes, assistantSpans: spans, otherSpans: others, usesGenerationBlocks: false)
    }

    /// What `add_generation_prompt` adds after a user's message; empty if the template adds nothing or refuses.
    private func generationPrompt(_ variables: [(String, JSON)], _ date: TemplateDate?) -> [UInt8] {
        let variables = variables.filter { $0.0 != "tools" && $0.0 != "add_generation_prompt" }
        return prompts.prompt(for: variables, date) { probedPrompt(variables, date) }
    }

    private func probedPrompt(_ variables: [(String, JSON)], _ date: TemplateDate?) -> [UInt8] {
        let probe = JSON.object(
            JSONObject([(key: "role", value: .string("user")), (key: "content", value: .string("?"))]))
        func rendered(_ isPrompting: Bool) -> [UInt8]? {
            let variables = variables + [("tools", .null), AssistantSpans.prompting(isPrompting)]
            return try? run([probe], variables, date, Budget()).bytes
        }
        guard let without = rendered(false), let with = rendered(true), with.starts(with: without) else { return [] }
        return Array(with[without.count...])
    }

    private func run(
        _ messages: [JSON], _ variables: [(String, JSON)], _ date: TemplateDate?, _ budget: Budget
    ) throws -> Text {
        let scope = Scope(parent: nil)
        let interpreter = Interpreter(names: symbolNames, scope: scope, date: date, budget: budget)
        do {
            for function in Function.allCases {
                if let symbol = symbols[function.rawValue] { scope.set(symbol, to: .function(function)) }
            }
            for (name, value) in variables {
                if let symbol = symbols[name] { scope.set(symbol, to: try Conversation.value(value, nil)) }
            }
            if let symbol = symbols["messages"] { scope.set(symbol, to: try Conversation.value(messages)) }
            return try interpreter.run(statements)
        } catch let fault as Fault {
            throw TemplateError(
                template: name, line: fault.line ?? interpreter.line, reason: fault.reason,
                isRaisedByTemplate: fault.isRaisedByTemplate)
        }
    }
}
