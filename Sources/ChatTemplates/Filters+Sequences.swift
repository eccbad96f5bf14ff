/// Filters over lists and mappings.
extension Filter {
    func sequence(_ value: Value, _ values: [Value?]) throws -> Value {
        switch self {
        case .length: return .int(try value.count())
        case .first:
            if case .iterator(let iterator) = value { return iterator.next() ?? Filter.nothing("first") }
            return try value.iterated().first ?? Filter.nothing("first")
        case .last:
            if case .iterator = value {
                throw Fault("'last' needs a list, not a '\(value.kind)': use 'list' before it")
            }
            return try value.iterated().last ?? Filter.nothing("last")
        case .list: return .list(try List(try value.iterated(), source: value.listSource))
        case .items:
            switch value {
            case .undefined: return .iterator(try Iterator([]))
            case .table(let table): return .iterator(try Iterator(try View(.items, of: table).elements))
            default: throw Fault("'items' needs a mapping, not '\(value.kind)'")
            }
        case .reverse:
            if case .text(let text) = value { return .text(try Text().joining(text.characters.reversed())) }
            return .iterator(try Iterator(try value.iterated().reversed()))
        case .join:
            let path = try Path(values[1])
            let separator = try values[0]?.printed() ?? Text()
            return .text(try separator.joining(try value.iterated().map { try path.value(in: $0).printed() }))
        case .sum:
            let path = try Path(values[0])
            var sum = values[1] ?? .int(0)
            // Sums of texts and lists are made anew with each element.
            var made = 0
            for element in try value.iterated() {
                sum = try Value.arithmetic(.add, sum, try path.value(in: element))
                made += sum.breadth
                guard made <= Limits.totalBytes else {
                    throw Fault("'sum' made more than \(Limits.totalBytes) bytes: use 'join' for texts")
                }
            }
            return sum
        case .batch, .slice: return .iterator(try parts(value, values))
        default: return try ordered(value, values)
        }
    }

    private static func nothing(_ place: String) -> Value {
        .undefined(Undefined(reason: "there is no \(place) item, the sequence is empty"))
    }

    /// `batch(n)`: lists of n; `slice(n)`: n lists.
    private func parts(_ value: Value, _ values: [Value?]) throws -> Iterator {
        let elements = try value.iterated()
        let count = try values[0].required("the number of parts").integer(for: "the number of parts")
        guard count > 0, count <= Limits.range else { throw Fault("'\(rawValue)' needs a positive number of parts") }
        var fill: Value?
        if let value = values[1], value.kind != "NoneType" { fill = value }
        var parts: [Value] = []
        if self == .batch {
            for start in stride(from: 0, to: elements.count, by: count) {
                var part = Array(elements[start..<Swift.min(start + count, elements.count)])
                if let fill { part += Array(repeating: fill, count: count - part.count) }
                parts.append(.list(try List(part)))
            }
        } else {
            let (size, longer) = elements.count.quotientAndRemainder(dividingBy: count)
            for i in 0..<count {
                let start = i * size + Swift.min(i, longer)
                var part = Array(elements[start..<start + size + (i < longer ? 1 : 0)])
                if let fill, i >= longer { part.append(fill) }
                parts.append(.list(try List(part)))
            }
        }
        return try Iterator(parts)
    }

    /// Sorting and what needs comparison.
    private func ordered(_ value: Value, _ values: [Value?]) throws -> Value {
        switch self {
        case .dictsort:
            guard case .table(let table) = value else { throw Fault("'dictsort' needs a mapping, not '\(value.kind)'") }
            let by = try values[1].text(for: "what to sort by")?.string ?? "key"
            guard by == "key" || by == "value" else { throw Fault("'dictsort' sorts by 'key' or 'value', not '\(by)'") }
            let isExact = values[0].isTrue(default: false)
            let keys = (by == "key" ? table.keys : table.values).map { isExact ? $0 : $0.ignoringCase }
            let items = try View(.items, of: table).elements
            return .list(try List(try Filter.sorted(items, by: keys, isReversed: values[2].isTrue(default: false))))
        case .sort:
            let isExact = values[1].isTrue(default: false)
            var paths: [Path] = [try Path(values[2])]
            if case .some(.text(let names)) = values[2] {
                paths = try names.split(Text(",")).map { try Path(.text($0)) }
            }
            let elements = try value.iterated()
            let keys = try elements.map { element in
                Value.list(
                    try List(
                        try paths.map {
                            let key = try $0.value(in: element)
                            return isExact ? key : key.ignoringCase
                        }))
            }
            return .list(try List(try Filter.sorted(elements, by: keys, isReversed: values[0].isTrue(default: false))))
        default:
            let isExact = values[0].isTrue(default: false)
            let path = try Path(values[1])
            let elements = try value.iterated()
            let keys = try elements.map { element in
                let key = try path.value(in: element)
                return isExact ? key : key.ignoringCase
            }
            if self == .unique {
                var seen: Set<HashKey> = []
                return .iterator(
                    try Iterator(
                        try elements.indices.filter { seen.insert(try HashKey(keys[$0])).inserted }.map { elements[$0] }
                    ))
            }
            guard var best = elements.indices.first else {
                return Filter.nothing(self == .min ? "smallest" : "largest")
            }
            for i in elements.indices.dropFirst() {
                let isBetter = try self == .min ? keys[i].isLess(than: keys[best]) : keys[best].isLess(than: keys[i])
                if isBetter { best = i }
            }
            return elements[best]
        }
    }

    /// Stable, also in reverse.
    private static func sorted(_ elements: [Value], by keys: [Value], isReversed: Bool) throws -> [Value] {
        try elements.indices.sorted { a, b in
            if try isReversed ? keys[b].isLess(than: keys[a]) : keys[a].isLess(than: keys[b]) { return true }
            if try isReversed ? keys[a].isLess(than: keys[b]) : keys[b].isLess(than: keys[a]) { return false }
            return a < b
        }.map { elements[$0] }
    }

    /// `map('filter', …)` or `map(attribute=…, default=…)`.
    func mapped(_ value: Value, _ arguments: Arguments) throws -> Iterator {
        guard value.isTrue else { return try Iterator([]) }
        if arguments.positional.isEmpty {
            let values = try arguments.bound(to: ["attribute", "default"], of: "the filter 'map'")
            let path = try Path(try values[0].required("the filter or attribute of 'map'"))
            return try Iterator(try bounded(value) { try path.value(in: $0, default: values[1]) })
        }
        let name = try arguments.positional[0].text(for: "the filter of 'map'").string
        guard let filter = Filter(name: name) else { throw Fault("unknown filter '\(name)'") }
        var rest = arguments
        rest.positional.removeFirst()
        return try Iterator(try bounded(value) { try filter.apply(to: $0, rest) })
    }

    /// What `transform` makes of each element, as long as a list can hold it all.
    private func bounded(_ value: Value, _ transform: (Value) throws -> Value) throws -> [Value] {
        var results: [Value] = []
        var weight = 0
        for element in try value.iterated() {
            let result = try transform(element)
            weight += result.extent.weight
            guard weight <= Limits.containerWeight else {
                throw Fault("a list or mapping grew beyond \(Limits.containerWeight) values")
            }
            results.append(result)
        }
        return results
    }

    /// `select('test', …)`, `selectattr('attribute', 'test', …)` and their opposites.
    func selected(_ value: Value, _ arguments: Arguments) throws -> Iterator {
        guard value.isTrue else { return try Iterator([]) }
        var rest = arguments
        var path = try Path(nil)
        if self == .selectattr || self == .rejectattr {
            guard !rest.positional.isEmpty else { throw Fault("'\(rawValue)' needs an attribute") }
            path = try Path(rest.positional.removeFirst())
        }
        var condition: Condition?
        if !rest.positional.isEmpty {
            let name = try rest.positional.removeFirst().text(for: "the test of '\(rawValue)'").string
            condition = Condition(name: name)
            guard condition != nil else { throw Fault("unknown test '\(name)'") }
        }
        let isWanted = self == .select || self == .selectattr
        return try Iterator(
            try value.iterated().filter { element in
                let value = try path.value(in: element)
                return try (condition?.holds(for: value, rest) ?? value.isTrue) == isWanted
            })
    }
}

/// What `attribute='a.b.0'` leads to.
private struct Path {
    private let parts: [Value]

    init(_ value: Value?) throws {
        switch value {
        case nil, .some(.none): parts = []
        case .some(.text(let text)):
            parts = text.split(Text(".")).map { part in
                part.all(Text.isDigit) ? Int(part.string).map { .int($0) } ?? .text(part) : .text(part)
            }
        case .some(let value): parts = [value]
        }
    }

    func value(in value: Value, default fallback: Value? = nil) throws -> Value {
        var value = value
        for part in parts {
            value = try value.item(part)
            if let fallback, value.isUndefined, fallback.kind != "NoneType" { value = fallback }
        }
        return value
    }
}

extension Value {
    /// Strings in lower case, for comparison.
    fileprivate var ignoringCase: Value {
        if case .text(let text) = self { .text(text.lowercased()) } else { self }
    }

    /// The message that a list as a whole belongs to.
    fileprivate var listSource: Source? {
        if case .list(let list) = self { list.source } else { nil }
    }
}
