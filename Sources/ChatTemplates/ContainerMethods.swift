/// The methods of mappings. Those that change a mapping are refused, as in Jinja's immutable sandbox.
enum TableMethod: String, Sendable {
    case clear, copy, fromkeys, get, items, keys, pop, popitem, setdefault, update, values

    var isSafe: Bool {
        switch self {
        case .clear, .pop, .popitem, .setdefault, .update: false
        default: true
        }
    }

    func call(_ table: Table, _ arguments: Arguments) throws -> Value {
        guard self != .fromkeys else { throw Fault("the dict method '\(rawValue)' is not supported") }
        let values = try arguments.bound(to: self == .get ? ["key", "default"] : [], of: "'\(rawValue)'")
        switch self {
        case .get: return try table[try values[0].required("the key")] ?? values[1] ?? .none
        case .items: return .view(try View(.items, of: table))
        case .keys: return .view(try View(.keys, of: table))
        case .values: return .view(try View(.values, of: table))
        default: return .table(table)
        }
    }
}

/// The methods of lists and tuples. Those that change a list are refused, as in Jinja's immutable sandbox.
enum ListMethod: String, Sendable {
    case append, clear, copy, count, extend, index, insert, pop, remove, reverse, sort

    var isSafe: Bool { self == .copy || isOfTuples }
    var isOfTuples: Bool { self == .count || self == .index }

    func call(_ list: List, _ arguments: Arguments) throws -> Value {
        let values = try arguments.bound(to: self == .copy ? [] : ["value"], of: "'\(rawValue)'")
        switch self {
        case .count:
            let value = try values[0].required("the value to count")
            return .int(list.elements.count { $0.equals(value) })
        case .index:
            let value = try values[0].required("the value to find")
            guard let index = list.elements.firstIndex(where: { $0.equals(value) }) else {
                throw Fault("the value is not in the list")
            }
            return .int(index)
        default: return .list(list)
        }
    }
}

/// The methods of `loop`.
enum LoopMethod: String {
    case cycle, changed

    func call(_ loop: Loop, _ arguments: Arguments) throws -> Value {
        guard arguments.named.isEmpty else { throw Fault("loop.\(rawValue) takes no named arguments") }
        let values = arguments.positional
        switch self {
        case .cycle:
            guard !values.isEmpty else { throw Fault("loop.cycle needs values") }
            return values[loop.index % values.count]
        case .changed:
            let isSame = loop.changedTo.map { Value.equal($0, values) } ?? false
            loop.changedTo = values
            return .bool(!isSame)
        }
    }
}

/// The methods of what `cycler()` returns.
enum CyclerMethod: String {
    case next, reset

    func call(_ cycler: Cycler, _ arguments: Arguments) throws -> Value {
        guard arguments.isEmpty else { throw Fault("'\(rawValue)' takes no arguments") }
        defer { cycler.position = self == .next ? (cycler.position + 1) % cycler.items.elements.count : 0 }
        return self == .next ? cycler.items.elements[cycler.position] : .none
    }
}
