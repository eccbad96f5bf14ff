/// The metadata of a GGUF file: views over the mapped file, decoded when asked for.
public struct GGUFMetadata: Sendable {
    /// One key's type and place.
    struct Entry: Sendable {
        let key: String
        let type: GGUFValueType
        /// The value's bytes: a string's without its length, an array's elements.
        let range: Range<Int>
        /// For arrays.
        let array: GGUFArray?
    }

    /// The file that the metadata lie in.
    public let file: MappedFile
    private let entries: [Entry]
    private let index: [ByteName: Int]

    /// The entries in the order of the file, with unique keys.
    init(file: MappedFile, entries: [Entry]) {
        self.file = file
        self.entries = entries
        index = Dictionary(uniqueKeysWithValues: entries.enumerated().map { (ByteName($1.key), $0) })
    }

    /// All keys in the order of the file.
    public var keys: [String] { entries.map(\.key) }

    /// The value of a key, or nil if there is none.
    public subscript(key: String) -> GGUFValue? { entry(key).map(value) }

    private func entry(_ key: String) -> Entry? { index[ByteName(key)].map { entries[$0] } }

    private func value(_ entry: Entry) -> GGUFValue {
        if let array = entry.array { return .array(array) }
        if entry.type == .string { return .string(MappedBytes(file: file, range: entry.range)) }
        return GGUFArray(file: file, elementType: entry.type, count: 1, start: entry.range.lowerBound).scalar(0)
    }

    private func wrong(_ entry: Entry, expected: String) -> WeightFileError {
        let found =
            entry.array.map { "an array of \($0.count) \($0.elementType) values" } ?? "a value of type \(entry.type)"
        return WeightFileError(file: file.path, reason: "metadata key \(entry.key) is \(found), expected \(expected)")
    }

    /// The text of a string value; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is no string or not UTF-8.
    public func string(_ key: String) throws -> String? {
        guard let bytes = try bytes(key) else { return nil }
        guard let text = bytes.text else {
            throw WeightFileError(file: file.path, reason: "metadata key \(key) is a string that is not valid UTF-8")
        }
        return text
    }

    /// The bytes of a string value; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is no string.
    public func bytes(_ key: String) throws -> MappedBytes? {
        guard let entry = entry(key) else { return nil }
        guard case .string(let bytes) = value(entry) else { throw wrong(entry, expected: "a string") }
        return bytes
    }

    /// An integer of any width; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is no integer or does not fit 64 bits with sign.
    public func int(_ key: String) throws -> Int? {
        guard let entry = entry(key) else { return nil }
        guard case .integer(let value) = value(entry), let result = Int(exactly: value) else {
            throw wrong(entry, expected: "an integer below 2⁶³")
        }
        return result
    }

    /// A float or integer of any width; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is no number.
    public func double(_ key: String) throws -> Double? {
        guard let entry = entry(key) else { return nil }
        switch value(entry) {
        case .number(let value): return value
        case .integer(let value): return Double(value)
        default: throw wrong(entry, expected: "a number")
        }
    }

    /// A truth value; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is of another type.
    public func bool(_ key: String) throws -> Bool? {
        guard let entry = entry(key) else { return nil }
        guard case .bool(let value) = value(entry) else { throw wrong(entry, expected: "a bool") }
        return value
    }

    /// An array of strings as views; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is of another type.
    public func strings(_ key: String) throws -> GGUFStringArray? {
        guard let entry = entry(key) else { return nil }
        guard let strings = entry.array?.strings else { throw wrong(entry, expected: "an array of strings") }
        return strings
    }

    /// An array of integers of any width; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is of another type or an element does not fit 64 bits with sign.
    public func ints(_ key: String) throws -> [Int]? {
        guard let entry = entry(key) else { return nil }
        guard let values = entry.array?.ints else { throw wrong(entry, expected: "an array of integers below 2⁶³") }
        return values
    }

    /// An array of floats, rounded to 32 bits if they are of 64; nil if the key is absent.
    /// - Throws: `WeightFileError` if the value is of another type.
    public func floats(_ key: String) throws -> [Float]? {
        guard let entry = entry(key) else { return nil }
        guard let values = entry.array?.floats else { throw wrong(entry, expected: "an array of floats") }
        return values
    }

    /// The value that `read` gives for the key, which must be present: `try metadata.required("a.b", metadata.int)`.
    /// - Throws: `WeightFileError` if it is absent, or whatever `read` throws.
    public func required<Value>(_ key: String, _ read: (String) throws -> Value?) throws -> Value {
        guard let value = try read(key) else {
            throw WeightFileError(file: file.path, reason: "metadata key \(key) is missing")
        }
        return value
    }
}
