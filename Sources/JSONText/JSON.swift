/// A JSON value (RFC 8259). Objects keep the order of their members and compare keys by bytes, because vocabularies hold
/// keys that Unicode calls equal ("é" in one scalar and in two) and that are different tokens.
public indirect enum JSON: Sendable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

/// The members of an object in the order of the text. Later duplicates of a key win, as in Python's `json`.
public struct JSONObject: Sendable {
    public private(set) var members: [(key: String, value: JSON)]
    private var index: [Key: Int]?

    /// Members as given; keys must be unique.
    public init(_ members: [(key: String, value: JSON)] = []) {
        self.members = members
        index = nil
        if members.count > 16 { index = Self.makeIndex(members) }
    }

    public var count: Int { members.count }

    /// The value of the key with exactly these bytes.
    public subscript(key: String) -> JSON? {
        if let index { return index[Key(key)].map { members[$0].value } }
        return members.last { Key($0.key) == Key(key) }?.value
    }

    private static func makeIndex(_ members: [(key: String, value: JSON)]) -> [Key: Int] {
        var index: [Key: Int] = [:]
        index.reserveCapacity(members.count)
        for (position, member) in members.enumerated() { index[Key(member.key)] = position }
        return index
    }

    /// A string that compares by its bytes.
    private struct Key: Hashable {
        let text: String
        init(_ text: String) { self.text = text }
        static func == (a: Key, b: Key) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
        func hash(into hasher: inout Hasher) {
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}

extension JSON {
    public subscript(key: String) -> JSON? {
        if case .object(let object) = self { object[key] } else { nil }
    }
    public var isNull: Bool { if case .null = self { true } else { false } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    /// The value as Int, if it is a whole number that fits.
    public var int: Int? {
        switch self {
        case .integer(let value): Int(value)
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }
    /// The value as Double, if it is a number.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// What kind of value this is, for messages: "a string", "an object", …
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
