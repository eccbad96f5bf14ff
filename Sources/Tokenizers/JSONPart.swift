import JSONText

/// A value of a JSON file together with its place in it, for messages such as
/// "…/tokenizer.json: model.vocab is an array, an object was expected".
struct JSONPart {
    let file: String
    /// The keys that lead to the value, with dots between them; empty for the whole file.
    let path: String
    let value: JSON

    func error(_ reason: String) -> TokenizerError {
        TokenizerError(file: file, reason: path.isEmpty ? reason : "\(path) \(reason)")
    }

    private func wrong(_ expected: String) -> TokenizerError { error("is \(value.kind), \(expected) was expected") }

    private func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The value of a key; nil if it is absent or null.
    func optional(_ key: String) throws -> JSONPart? {
        guard case .object(let object) = value else { throw wrong("an object") }
        guard let member = object[key], !member.isNull else { return nil }
        return JSONPart(file: file, path: place(key), value: member)
    }

    /// The value of a key, which must be there.
    func member(_ key: String) throws -> JSONPart {
        guard let member = try optional(key) else {
            throw TokenizerError(file: file, reason: "\(place(key)) is missing")
        }
        return member
    }

    func string() throws -> String {
        guard let text = value.string else { throw wrong("a string") }
        return text
    }

    func bytes() throws -> [UInt8] { Array(try string().utf8) }

    func bool() throws -> Bool {
        guard let flag = value.bool else { throw wrong("true or false") }
        return flag
    }

    /// A truth value that may be absent.
    func flag(_ key: String, default absent: Bool) throws -> Bool { try optional(key)?.bool() ?? absent }

    /// A number that can be a token's id or a count.
    func id() throws -> Int32 {
        guard let number = value.int else { throw wrong("a whole number") }
        guard let id = Int32(exactly: number), id >= 0 else {
            throw error("is \(number), a number from 0 to \(Int32.max) was expected")
        }
        return id
    }

    func items() throws -> [JSONPart] {
        guard let array = value.array else { throw wrong("an array") }
        return array.enumerated().map { JSONPart(file: file, path: "\(path)[\($0)]", value: $1) }
    }

    func object() throws -> JSONObject {
        guard let object = value.object else { throw wrong("an object") }
        return object
    }

    /// The parts named by `type` of a value that is one part, a `Sequence` of them (under `key`), or absent.
    static func steps(_ part: JSONPart?, sequenceKey key: String) throws -> [(type: String, part: JSONPart)] {
        guard let part else { return [] }
        let type = try part.member("type").string()
        guard type == "Sequence" else { return [(type, part)] }
        return try part.member(key).items().flatMap { try steps($0, sequenceKey: key) }
    }
}
