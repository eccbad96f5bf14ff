internal import JSONText

/// Turns a row's list of messages into the form that chat templates expect: objects with `role` and `content`, roles by
/// their usual names, everything else (`tool_calls`, `name`, `reasoning_content`, …) as it was.
enum Conversation {
    /// The roles that a row may name, and what the template sees.
    static let roles: [(name: String, role: String)] = [
        ("system", "system"), ("developer", "developer"), ("user", "user"), ("human", "user"),
        ("assistant", "assistant"), ("gpt", "assistant"), ("tool", "tool"), ("function", "function"),
        ("ipython", "ipython"),
    ]

    /// The messages of a row; `column` is the name of their column, for errors.
    /// - Throws: `RowError` if the value is not a list of at least one message with a known role and text as content.
    static func messages(_ value: JSON, column: String) throws -> [JSON] {
        guard let elements = value.array else {
            throw RowError("\"\(column)\" is \(value.kind); expected a list of messages")
        }
        guard !elements.isEmpty else { throw RowError("\"\(column)\" is empty; expected at least one message") }
        return try elements.enumerated().map { try message($1, place: "\(column)[\($0)]") }
    }

    /// A message with these two members.
    static func message(role: String, content: String) -> JSON {
        .object(JSONObject([("role", .string(role)), ("content", .string(content))]))
    }

    /// Whether the message is the assistant's.
    static func isAssistant(_ message: JSON) -> Bool { isRole(message["role"]?.string, "assistant") }

    private static func message(_ value: JSON, place: String) throws -> JSON {
        guard let object = value.object else {
            throw RowError("\(place) is \(value.kind); expected an object with \"role\" and \"content\"")
        }
        let usesFrom = object["role"] == nil && object["from"] != nil
        let roleKey = usesFrom ? "from" : "role"
        let contentKey = usesFrom ? "value" : "content"
        guard let roleValue = object[roleKey] else { throw RowError("\(place) has no \"role\"") }
        guard let name = roleValue.string else {
            throw RowError("\(place).\(roleKey) is \(roleValue.kind); expected a string")
        }
        guard let role = roles.first(where: { isRole(name, $0.name) })?.role else {
            let known = roles.map(\.name).joined(separator: ", ")
            throw RowError("\(place) has the unknown role \"\(name)\"; known roles: \(known)")
        }
        var members: [(key: String, value: JSON)] = [("role", .string(role))]
        if let content = try content(of: object, key: contentKey, place: place) { members.append(("content", content)) }
        for member in object.members where !isRole(member.key, roleKey) && !isRole(member.key, contentKey) {
            members.append(member)
        }
        return .object(JSONObject(members))
    }

    /// The message's text; a list of text parts is joined. Only a message that calls tools may do without.
    private static func content(of object: JSONObject, key: String, place: String) throws -> JSON? {
        let callsTools = object["tool_calls"]?.array?.isEmpty == false
        switch object[key] {
        case .string(let text): return .string(text)
        case nil where callsTools: return nil
        case .null where callsTools: return .null
        case nil: throw RowError("\(place) has no \"\(key)\"")
        case .array(let parts):
            return .string(
                try parts.enumerated().map { try text(ofPart: $1, place: "\(place).\(key)[\($0)]") }.joined())
        case .some(let other): throw RowError("\(place).\(key) is \(other.kind); expected a string")
        }
    }

    private static func text(ofPart part: JSON, place: String) throws -> String {
        if let text = part.string { return text }
        if let text = part["text"]?.string { return text }
        guard let type = part["type"]?.string else { throw RowError("\(place) is \(part.kind); expected text") }
        throw RowError("\(place) is of type \"\(type)\"; only text can be trained")
    }

    /// Equal by bytes.
    private static func isRole(_ name: String?, _ role: String) -> Bool { name?.utf8.elementsEqual(role.utf8) ?? false }
}
