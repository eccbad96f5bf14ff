/// The filters of `value | filter`.
enum Filter: String, Sendable {
    case abs, attr, batch, capitalize, center, `default`, dictsort, escape, first, float, forceescape, format, indent,
        int,
        items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe,
        select,
        selectattr, slice, sort, string, sum, title, tojson, trim, truncate, unique, upper

    private static let aliases: [String: Filter] = ["count": .length, "d": .default, "e": .escape]

    /// The filter with a name, or nil if there is none.
    init?(name: String) {
        guard let filter = Filter(rawValue: name) ?? Filter.aliases[name] else { return nil }
        self = filter
    }

    private var parameters: [String] {
        switch self {
        case .attr: ["name"]
        case .batch: ["linecount", "fill_with"]
        case .center: ["width"]
        case .default: ["default_value", "boolean"]
        case .dictsort: ["case_sensitive", "by", "reverse"]
        case .float: ["default"]
        case .indent: ["width", "first", "blank"]
        case .int: ["default", "base"]
        case .join: ["d", "attribute"]
        case .max, .min, .unique: ["case_sensitive", "attribute"]
        case .replace: ["old", "new", "count"]
        case .round: ["precision", "method"]
        case .slice: ["slices", "fill_with"]
        case .sort: ["reverse", "case_sensitive", "attribute"]
        case .sum: ["attribute", "start"]
        case .tojson: ["ensure_ascii", "indent", "separators", "sort_keys"]
        case .trim: ["chars"]
        case .truncate: ["length", "killwords", "end", "leeway"]
        default: []
        }
    }

    /// What applying the filter costs, in bytes, but for what it makes.
    func cost(of value: Value) -> Int {
        switch (self, value) {
        case (.length, .list), (.length, .tuple), (.length, .table), (.length, .range), (.length, .view): 1
        case (.first, .list), (.first, .tuple), (.last, .list), (.last, .tuple), (.default, _): 1
        case (.sort, _), (.dictsort, _), (.unique, _), (.min, _), (.max, _), (.tojson, _): 16 * value.size
        case (.trim, .text), (.length, .text), (.replace, .text), (.string, .text), (.safe, .text): value.breadth
        default: 8 * value.breadth
        }
    }

    func apply(to value: Value, _ arguments: Arguments) throws -> Value {
        switch self {
        case .map: return .iterator(try mapped(value, arguments))
        case .select, .reject, .selectattr, .rejectattr: return .iterator(try selected(value, arguments))
        case .format:
            guard arguments.positional.isEmpty || arguments.named.isEmpty else {
                throw Fault("'format' takes positional or named values, not both")
            }
            let values: Value =
                arguments.named.isEmpty
                ? .tuple(try List(arguments.positional))
                : .table(try Table(arguments.named.map { (key: Value($0.name), value: $0.value) }))
            return .text(try value.printed().formatted(with: values))
        default: break
        }
        let values = try arguments.bound(to: parameters, of: "the filter '\(rawValue)'")
        switch self {
        case .upper: return .text(try value.printed().uppercased())
        case .lower: return .text(try value.printed().lowercased())
        case .capitalize: return .text(try value.printed().capitalized())
        case .title: return .text(try value.printed().titledWords())
        case .trim: return .text(try value.printed().stripped(try values[0].text(for: "the set of characters")))
        case .string: return .text(try value.printed())
        case .safe:
            var text = try value.printed()
            text.isMarkup = true
            return .text(text)
        case .escape: return .text(try value.printed().escaped())
        case .forceescape:
            var text = try value.printed()
            text.isMarkup = false
            return .text(text.escaped())
        case .replace, .indent, .center, .truncate: return .text(try textual(value, values))
        case .tojson: return .text(try json(value, values))
        case .default:
            let isMissing = value.isUndefined || values[1].isTrue(default: false) && !value.isTrue
            return isMissing ? values[0] ?? .text(Text()) : value
        case .int, .float, .abs, .round: return try numeric(value, values)
        case .attr:
            let name = try values[0].required("the name").text(for: "the name")
            return try value.ownAttribute(AttributeName(name))
                ?? .undefined(Undefined(reason: "'\(value.kind) object' has no attribute '\(name.string)'"))
        default: return try sequence(value, values)
        }
    }

    private func textual(_ value: Value, _ values: [Value?]) throws -> Text {
        let text = try value.printed()
        switch self {
        case .replace:
            var count = -1
            if let limit = values[2], limit.kind != "NoneType" { count = try limit.integer(for: "a count") }
            let old = try values[0].required("the text to replace").printed()
            return try text.replacing(old, with: try values[1].required("the replacement").printed(), limit: count)
        case .center:
            return try text.padded(to: try values[0].integer(for: "a width", default: 80), left: true, right: true)
        case .truncate: return try truncated(text, values)
        default:
            var indentation = Text("    ")
            switch values[0] {
            case .some(.text(let text)): indentation = text
            case let width:
                indentation = try Text(" ").repeated(Swift.max(0, try width.integer(for: "a width", default: 4)))
            }
            var withBreak = text
            try withBreak.append("\n")
            var result = values[1].isTrue(default: false) ? indentation : Text()
            for (i, line) in withBreak.lines().enumerated() {
                if i > 0 { try result.append("\n") }
                if i > 0, !line.isEmpty || values[2].isTrue(default: false) { try result.append(indentation) }
                try result.append(line)
            }
            return result
        }
    }

    private func truncated(_ text: Text, _ values: [Value?]) throws -> Text {
        let length = try values[0].integer(for: "a length", default: 255)
        let end = try values[2].text(for: "the end") ?? Text("...")
        var leeway = 5
        if let given = values[3], given.kind != "NoneType" { leeway = try given.integer(for: "the leeway") }
        guard length >= end.length, leeway >= 0 else { throw Fault("'truncate' needs a length of at least its end's") }
        if text.length <= length || text.length - length <= leeway { return text }
        let cut = text.slice(0..<text.boundaries[length - end.length])
        let kept = values[1].isTrue(default: false) ? cut : cut.splitFromEnd(Text(" "), limit: 1)[0]
        return try Text().joining([kept, end])
    }

    private func json(_ value: Value, _ values: [Value?]) throws -> Text {
        var output = JSONOutput()
        output.ensuresASCII = values[0].isTrue(default: false)
        switch values[1] {
        case nil, .some(.none): break
        case .some(.text(let indent)): output.indent = indent.string
        case .some(let width):
            let width = try width.integer(for: "the indentation")
            guard width <= 100 else { throw Fault("the indentation is too large") }
            output.indent = String(repeating: " ", count: Swift.max(0, width))
        }
        if output.indent != nil { output.itemSeparator = "," }
        if let separators = values[2], separators.kind != "NoneType" {
            let pair = try separators.iterated()
            guard pair.count == 2 else { throw Fault("the separators of 'tojson' must be two strings") }
            output.itemSeparator = try pair[0].text(for: "a separator").string
            output.keySeparator = try pair[1].text(for: "a separator").string
        }
        output.sortsKeys = values[3].isTrue(default: false)
        return try output.text(value)
    }
}
