/// The elements of a list or tuple.
final class List {
    let elements: [Value]
    let depth: Int
    let weight: Int
    /// The message that the whole list belongs to.
    let source: Source?

    init(_ elements: [Value], source: Source? = nil) throws {
        self.elements = elements
        self.source = source
        (depth, weight) = try List.extent(of: elements)
    }

    static func extent(of elements: some Sequence<Value>) throws -> (depth: Int, weight: Int) {
        var depth = 0
        var weight = 1
        for element in elements {
            let inner = element.extent
            depth = max(depth, inner.depth)
            weight += inner.weight
            guard weight <= Limits.containerWeight else {
                throw Fault("a list or mapping grew beyond \(Limits.containerWeight) values")
            }
        }
        guard depth < Limits.containerDepth else {
            throw Fault("lists and mappings are nested deeper than \(Limits.containerDepth)")
        }
        return (depth + 1, weight)
    }
}

/// A mapping in the order of insertion. Keys are compared as Python does: 1, 1.0 and true are one key.
final class Table {
    let keys: [Value]
    let values: [Value]
    let depth: Int
    let weight: Int
    /// The message that the whole mapping belongs to, or is.
    let source: Source?
    private let index: [HashKey: Int]?
    /// Whether this is a message of the conversation.
    let isMessage: Bool

    /// Later duplicates of a key replace the value of the first.
    init(_ pairs: [(key: Value, value: Value)], source: Source? = nil, isMessage: Bool = false) throws {
        var keys: [Value] = []
        var values: [Value] = []
        var index: [HashKey: Int]?
        if pairs.count > 8 { index = [:] }
        for pair in pairs {
            let key = try HashKey(pair.key)
            let known = index != nil ? index![key] : try keys.firstIndex { try HashKey($0) == key }
            if let known {
                values[known] = pair.value
            } else {
                index?[key] = keys.count
                keys.append(pair.key)
                values.append(pair.value)
            }
        }
        self.keys = keys
        self.values = values
        self.index = index
        self.source = source
        self.isMessage = isMessage
        let (keyDepth, keyWeight) = try List.extent(of: keys)
        let (valueDepth, valueWeight) = try List.extent(of: values)
        depth = max(keyDepth, valueDepth)
        weight = keyWeight + valueWeight
    }

    var count: Int { keys.count }

    /// - Throws: if the key is a list or mapping.
    subscript(key: Value) -> Value? {
        get throws {
            if case .text(let text) = key { return self[text] }
            let key = try HashKey(key)
            if let index { return index[key].map { values[$0] } }
            return try keys.firstIndex { try HashKey($0) == key }.map { values[$0] }
        }
    }

    subscript(key: Text) -> Value? {
        if let index { return index[HashKey(key)].map { values[$0] } }
        for (position, candidate) in keys.enumerated() {
            if case .text(let text) = candidate, text.bytes == key.bytes { return values[position] }
        }
        return nil
    }

    subscript(key: String) -> Value? { self[Text(key)] }
}

/// A value as a key: hashes and compares as Python does.
enum HashKey: Hashable {
    case none
    case integer(Int)
    case double(Double)
    case text([UInt8])
    case tuple([HashKey])

    init(_ text: Text) { self = .text(text.bytes) }

    init(_ value: Value) throws {
        switch value {
        case .none: self = .none
        case .bool(let value): self = .integer(value ? 1 : 0)
        case .int(let value): self = .integer(value)
        case .double(let value): self = Int(exactly: value).map { .integer($0) } ?? .double(value)
        case .text(let text): self = .text(text.bytes)
        case .tuple(let list): self = .tuple(try list.elements.map { try HashKey($0) })
        default: throw Fault("unhashable type: '\(value.kind)'")
        }
    }
}

/// Python's `range`.
struct StepRange: Equatable {
    let start: Int
    let stop: Int
    let step: Int

    init(start: Int, stop: Int, step: Int) throws {
        guard step != 0 else { throw Fault("range() arg 3 must not be zero") }
        guard [start, stop, step].allSatisfy({ $0.magnitude < 1 << 60 }) else { throw Value.overflow }
        self.start = start
        self.stop = stop
        self.step = step
        guard abs(Double(stop) - Double(start)) / abs(Double(step)) <= Double(Limits.range) else {
            throw Fault("range() may not have more than \(Limits.range) elements")
        }
    }

    var count: Int {
        step > 0 ? max(0, (stop - start + step - 1) / step) : max(0, (start - stop - step - 1) / -step)
    }
    var elements: [Value] { (0..<count).map { .int(start + $0 * step) } }
}

/// What a mapping's `items()`, `keys()` or `values()` returns.
final class View {
    enum Kind: String {
        case items = "dict_items"
        case keys = "dict_keys"
        case values = "dict_values"
    }
    let kind: Kind
    let table: Table
    let list: List
    var elements: [Value] { list.elements }

    init(_ kind: Kind, of table: Table) throws {
        self.kind = kind
        self.table = table
        switch kind {
        case .items: list = try List(zip(table.keys, table.values).map { .tuple(try List([$0, $1])) })
        case .keys: list = try List(table.keys)
        case .values: list = try List(table.values)
        }
    }
}

/// A sequence that can be gone through once, and has no length.
final class Iterator {
    fileprivate(set) var list: List
    private var position = 0

    init(_ elements: [Value]) throws { list = try List(elements) }

    func next() -> Value? {
        guard position < list.elements.count else { return nil }
        position += 1
        return list.elements[position - 1]
    }

    func rest() -> [Value] {
        defer { position = list.elements.count }
        return Array(list.elements[position...])
    }
}
