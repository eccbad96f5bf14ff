/// Equality and order as in Python.
extension Value {
    func equals(_ other: Value) -> Bool {
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.text(let a), .text(let b)): return a.bytes == b.bytes
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): return Value.equal(a.elements, b.elements)
        case (.table(let a), .table(let b)):
            guard a.count == b.count else { return false }
            return zip(a.keys, a.values).allSatisfy { key, value in
                guard let found = try? b[key] else { return false }
                return value.equals(found)
            }
        case (.range(let a), .range(let b)):
            return a.count == b.count
                && (a.count == 0 || a.start == b.start && (a.count == 1 || a.step == b.step))
        case (.view(let a), .view(let b)):
            guard a.kind == b.kind, a.kind != .values else { return a === b }
            if a.kind == .items { return Value.table(a.table).equals(.table(b.table)) }
            return a.table.count == b.table.count && a.table.keys.allSatisfy { (try? b.table[$0]) != nil }
        case (.iterator(let a), .iterator(let b)): return a === b
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.loop(let a), .loop(let b)): return a === b
        case (.cycler(let a), .cycler(let b)): return a === b
        case (.joiner(let a), .joiner(let b)): return a === b
        case (.function(let a), .function(let b)): return a == b
        case (.macro(let a), .macro(let b)): return a === b
        default:
            switch (number, other.number) {
            case (.int(let a)?, .int(let b)?): return a == b
            case (.double(let a)?, .double(let b)?): return a == b
            case (.int(let a)?, .double(let b)?), (.double(let b)?, .int(let a)?): return Int(exactly: b) == a
            default: return false
            }
        }
    }

    static func equal(_ a: [Value], _ b: [Value]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.equals($1) }
    }

    /// Whether this comes before `other`.
    /// - Throws: if Python has no order for the two; `sign` is the operator to name.
    func isLess(than other: Value, sign: String = "<") throws -> Bool {
        switch (self, other) {
        case (.text(let a), .text(let b)): return a.bytes.lexicographicallyPrecedes(b.bytes)
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            for (x, y) in zip(a.elements, b.elements) where !x.equals(y) { return try x.isLess(than: y, sign: sign) }
            return a.elements.count < b.elements.count
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw Fault(undefined.reason)
        default:
            switch (number, other.number) {
            case (.int(let a)?, .int(let b)?): return a < b
            case (.some(let a), .some(let b)): return a.asDouble < b.asDouble
            default: throw Fault("'\(sign)' is not supported between '\(kind)' and '\(other.kind)'")
            }
        }
    }

    /// `<`, `>`, `<=` or `>=`.
    func compare(_ sign: ComparisonOperator, _ other: Value) throws -> Bool {
        if let a = number?.asDouble, let b = other.number?.asDouble, a.isNaN || b.isNaN { return false }
        return switch sign {
        case .less: try isLess(than: other, sign: "<")
        case .greater: try other.isLess(than: self, sign: ">")
        case .lessOrEqual: try !other.isLess(than: self, sign: "<=")
        default: try !isLess(than: other, sign: ">=")
        }
    }

    /// Whether `element in self`.
    func contains(_ element: Value) throws -> Bool {
        switch self {
        case .text(let text):
            guard case .text(let part) = element else {
                if case .undefined(let undefined) = element { throw Fault(undefined.reason) }
                throw Fault("'in' a string needs a string on its left, not '\(element.kind)'")
            }
            return text.find(part.bytes, from: 0) != nil
        case .table(let table): return try table[element] != nil
        case .namespace, .loop, .cycler, .joiner, .function, .method, .macro, .none, .bool, .int, .double:
            throw Fault("'in' needs a string, list or mapping on its right, not '\(kind)'")
        default: return try iterated().contains { $0.equals(element) }
        }
    }

    /// The elements that a loop goes through.
    func iterated() throws -> [Value] {
        switch self {
        case .undefined: return []
        case .text(let text): return text.characters.map { .text($0) }
        case .list(let list), .tuple(let list): return list.elements
        case .table(let table): return table.keys
        case .range(let range): return range.elements
        case .view(let view): return view.elements
        case .iterator(let iterator): return iterator.rest()
        default: throw Fault("'\(kind)' cannot be iterated over")
        }
    }

    /// The number of elements, where Python's `len` has one.
    func count() throws -> Int {
        switch self {
        case .undefined: return 0
        case .text(let text): return text.length
        case .list(let list), .tuple(let list): return list.elements.count
        case .table(let table): return table.count
        case .range(let range): return range.count
        case .view(let view): return view.elements.count
        case .loop(let loop): return try loop.length()
        default: throw Fault("'\(kind)' has no length")
        }
    }
}
