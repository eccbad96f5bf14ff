internal import JSONText

/// One row, freed of its file's form.
enum Record {
    /// Messages for the template; those from `completionStart` on are the completion (0 if the row names no prompt).
    case chat(messages: [JSON], completionStart: Int, tools: JSON?)
    /// Text in two parts that follow each other without anything between; `prompt` is empty for plain text.
    case plain(prompt: String, completion: String)

    /// Reads a row of the given kind.
    /// - Throws: `RowError` if a column is missing or of another type than the kind of the file's first row needs.
    init(_ row: JSONObject, kind: DataKind, options: DataOptions) throws {
        try Self.checkColumns(row, kind: kind, options: options)
        func value(_ column: DataColumn) -> JSON { row[options.name(of: column)] ?? .null }
        func string(_ column: DataColumn) throws -> String {
            guard let text = value(column).string else {
                throw RowError("\"\(options.name(of: column))\" is \(value(column).kind); expected a string")
            }
            return text
        }
        func messages(_ column: DataColumn) throws -> [JSON] {
            try Conversation.messages(value(column), column: options.name(of: column))
        }
        switch kind {
        case .messages, .conversations:
            let column: DataColumn = kind == .messages ? .messages : .conversations
            self = .chat(
                messages: try messages(column), completionStart: 0,
                tools: try Self.tools(value(.tools), options: options))
        case .promptCompletionMessages:
            let prompt = try messages(.prompt)
            self = .chat(
                messages: prompt + (try messages(.completion)), completionStart: prompt.count,
                tools: try Self.tools(value(.tools), options: options))
        case .promptCompletion: self = .plain(prompt: try string(.prompt), completion: try string(.completion))
        case .text: self = .plain(prompt: "", completion: try string(.text))
        case .instruction:
            let input = value(.input).isNull ? "" : try string(.input)
            let question = try string(.instruction) + (input.isEmpty ? "" : "\n" + input)
            self = .chat(
                messages: [
                    Conversation.message(role: "user", content: question),
                    Conversation.message(role: "assistant", content: try string(.output)),
                ], completionStart: 1, tools: nil)
        }
    }

    /// - Throws: `RowError` if the row lacks a column that the file's first row has.
    private static func checkColumns(_ row: JSONObject, kind: DataKind, options: DataOptions) throws {
        for column in kind.requiredColumns where row[options.name(of: column)] == nil {
            let found = row.members.map { "\"\($0.key)\"" }.joined(separator: ", ")
            throw RowError(
                "the column \"\(options.name(of: column))\" is missing: the file's first row is \(kind.name), this one has "
                    + (found.isEmpty ? "no columns" : found))
        }
    }

    /// The row's tools: a list, or the JSON text of one.
    private static func tools(_ value: JSON, options: DataOptions) throws -> JSON? {
        let name = options.name(of: .tools)
        switch value {
        case .null: return nil
        case .array: return value
        case .string(let text):
            guard let parsed = try? JSON(parsing: text), parsed.array != nil else {
                throw RowError("\"\(name)\" is a string that is not the JSON text of a list")
            }
            return parsed
        default: throw RowError("\"\(name)\" is \(value.kind); expected a list")
        }
    }
}
