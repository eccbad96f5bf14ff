/// Attributes, indexes and slices.
extension Value {
    /// `value.name`: a method or property first, then the item with that name.
    func attribute(_ name: AttributeName) throws -> Value {
        if case .undefined(let undefined) = self { throw Fault(undefined.reason) }
        if let own = try ownAttribute(name) { return own }
        if case .table(let table) = self, let value = table[name.key] { return value }
        return .undefined(missing(name.key))
    }

    /// What Python's `getattr` finds.
    func ownAttribute(_ name: AttributeName) throws -> Value? {
        switch self {
        case .text:
            return name.textMethod.map { .method(Method(.text($0), of: self)) }
        case .table:
            return name.tableMethod.map { $0.isSafe ? .method(Method(.table($0), of: self)) : refused(name) }
        case .list:
            return name.listMethod.map { $0.isSafe ? .method(Method(.list($0), of: self)) : refused(name) }
        case .tuple:
            return name.listMethod.flatMap { $0.isOfTuples ? .method(Method(.list($0), of: self)) : nil }
        case .namespace(let namespace): return namespace[name.key]
        case .loop(let loop): return try loop.attribute(name.key.string, of: self)
        case .cycler(let cycler):
            let name = name.key.string
            return name == "current"
                ? cycler.items.elements[cycler.position]
                : CyclerMethod(rawValue: name).map { .method(Method(.cycler($0), of: self)) }
        case .macro(let macro):
            return name.key.string == "name" ? Value(macro.definition.name) : nil
        default: return nil
        }
    }

    private func refused(_ name: AttributeName) -> Value {
        .undefined(Undefined(reason: "'\(name.key.string)' would change a \(kind), which templates may not do"))
    }

    private func missing(_ name: Text) -> Undefined {
        if case .none = self { return Undefined(reason: "None has no attribute '\(name.string)'") }
        return Undefined(reason: "'\(kind) object' has no attribute '\(name.string)'")
    }

    /// `value[index]`: an element, or undefined.
    func item(_ index: Value) throws -> Value {
        if case .undefined(let undefined) = self { throw Fault(undefined.reason) }
        if let found = try element(index) { return found }
        if case .text(let name) = index { return try ownAttribute(AttributeName(name)) ?? .undefined(missing(name)) }
        return .undefined(Undefined(reason: "'\(kind) object' has no element \(try index.quoted())"))
    }

    private func quoted() throws -> String {
        var text = Text()
        try writeRepresentation(to: &text)
        return text.string
    }

    private func element(_ index: Value) throws -> Value? {
        if case .table(let table) = self { return try? table[index] }
        guard case .int(var position)? = index.number else { return nil }
        guard let count = try? count() else { return nil }
        if position < 0 { position += count }
        guard position >= 0, position < count else { return nil }
        switch self {
        case .list(let list), .tuple(let list): return list.elements[position]
        case .range(let range): return .int(range.start + position * range.step)
        case .text(let text):
            let start = text.offset(ofScalar: position)
            return .text(text.slice(start..<text.offset(ofScalar: 1, from: start)))
        default: return nil
        }
    }

    /// `value[from:to:step]` with Python's meaning of negative and missing bounds; undefined where Python has no slices.
    func slice(from: Value?, to: Value?, step: Value?) throws -> Value {
        func bound(_ value: Value?) throws -> Int? {
            switch value {
            case nil, .some(.none): nil
            case .some(let value): try value.integer(for: "a bound of a slice")
            }
        }
        let step = try bound(step) ?? 1
        guard step != 0 else { throw Fault("the step of a slice cannot be zero") }
        let (from, to) = (try bound(from), try bound(to))
        if case .undefined(let undefined) = self { throw Fault(undefined.reason) }
        switch self {
        case .text(let text):
            let range = Value.positions(text.length, from, to, step)
            if step == 1 {
                guard let first = range.first else { return .text(text.slice(0..<0)) }
                let start = text.offset(ofScalar: first)
                return .text(text.slice(start..<text.offset(ofScalar: range.count, from: start)))
            }
            let boundaries = text.boundaries
            return .text(try Text().joining(range.map { text.slice(boundaries[$0]..<boundaries[$0 + 1]) }))
        case .list(let list):
            let range = Value.positions(list.elements.count, from, to, step)
            return .list(try List(range.map { list.elements[$0] }, source: list.source))
        case .tuple(let list):
            let range = Value.positions(list.elements.count, from, to, step)
            return .tuple(try List(range.map { list.elements[$0] }, source: list.source))
        case .range(let range):
            let elements = range.elements
            return .list(try List(Value.positions(elements.count, from, to, step).map { elements[$0] }))
        default: return .undefined(Undefined(reason: "'\(kind) object' has no slices"))
        }
    }

    /// The positions of a slice of something with `count` elements.
    private static func positions(_ count: Int, _ from: Int?, _ to: Int?, _ step: Int) -> Positions {
        let lowest = step > 0 ? 0 : -1
        let highest = step > 0 ? count : count - 1
        func clamp(_ bound: Int?, _ fallback: Int) -> Int {
            guard let bound else { return fallback }
            return bound < 0 ? max(bound + count, lowest) : min(bound, highest)
        }
        let start = clamp(from, step > 0 ? 0 : count - 1)
        let end = clamp(to, step > 0 ? count : -1)
        let step = max(-count - 1, min(step, count + 1))
        let length = step > 0 ? max(0, end - start + step - 1) / step : max(0, start - end - step - 1) / -step
        return Positions(first: length > 0 ? start : nil, step: step, count: length)
    }

    /// Equally spaced positions.
    private struct Positions {
        let first: Int?
        let step: Int
        let count: Int

        func map<Result>(_ transform: (Int) -> Result) -> [Result] {
            guard let first else { return [] }
            return (0..<count).map { transform(first + $0 * step) }
        }
    }
}

extension Loop {
    func attribute(_ name: String, of value: Value) throws -> Value? {
        switch name {
        case "index": .int(index + 1)
        case "index0": .int(index)
        case "revindex": .int(try length() - index)
        case "revindex0": .int(try length() - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(try item(at: index + 1) == nil)
        case "length": .int(try length())
        case "depth": .int(1)
        case "depth0": .int(0)
        case "previtem":
            index > 0 ? items[index - 1] : .undefined(Undefined(reason: "there is no previous item"))
        case "nextitem":
            try item(at: index + 1) ?? .undefined(Undefined(reason: "there is no next item"))
        default: LoopMethod(rawValue: name).map { .method(Method(.loop($0), of: value)) }
        }
    }
}
