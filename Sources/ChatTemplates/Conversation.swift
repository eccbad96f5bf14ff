import JSONText

/// Messages as values of the template language that know which message they came from.
enum Conversation {
    /// What names a message rather than being said in it: never counted as the message's own text.
    private static let labels = ["role", "name", "tool_call_id"]

    /// The older names of `reasoning_content`.
    private static let reasoning = ["reasoning_content", "thinking", "reasoning"]

    /// The list that templates know as `messages`. As Transformers does, a message with reasoning under any of its names
    /// has it under `reasoning_content` and `thinking`.
    /// - Throws: if a message is not an object.
    static func value(_ messages: [JSON]) throws -> Value {
        .list(
            try List(
                try messages.enumerated().map { index, message in
                    guard case .object(let object) = message else {
                        throw Fault("message \(index) is \(message.kind), expected an object with 'role' and 'content'")
                    }
                    return .table(try table(object, .message(index)))
                }))
    }

    private static func table(_ message: JSONObject, _ source: Source) throws -> Table {
        var members = message.members
        if let thought = reasoning.lazy.compactMap({ message[$0] }).first(where: { !$0.isNull }) {
            if message["thinking"] == nil { members.insert((key: "thinking", value: thought), at: 0) }
            members.append((key: "reasoning_content", value: thought))
        }
        let pairs = try members.map { key, value in
            let isLabel = labels.contains { $0.utf8.elementsEqual(key.utf8) }
            return (key: Value(key), value: try Conversation.value(value, isLabel ? nil : source))
        }
        return try Table(pairs, source: source, isMessage: true)
    }

    /// A JSON value whose strings, lists and mappings come from a message.
    static func value(_ json: JSON, _ source: Source?) throws -> Value {
        switch json {
        case .null: .none
        case .bool(let value): .bool(value)
        case .integer(let value): .int(Int(value))
        case .number(let value): .double(value)
        case .string(let text): .text(Text(text, source: source))
        case .array(let elements): .list(try List(try elements.map { try value($0, source) }, source: source))
        case .object(let object):
            .table(
                try Table(
                    try object.members.map {
                        (key: .text(Text($0.key, source: source)), value: try value($0.value, source))
                    },
                    source: source))
        }
    }
}
