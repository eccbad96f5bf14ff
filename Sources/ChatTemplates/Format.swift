import Foundation

/// How a value is laid out in `"%5.2f" % x` and `"{:>8}".format(x)`.
struct FormatSpecification {
    var fill = Text(" ")
    /// `<`, `>`, `^` or `=`; nil for the type's own.
    var alignment: Character?
    var sign: Character = "-"
    var isAlternate = false
    var groupsThousands = false
    var width = 0
    var precision: Int?
    var type: Character?

    /// The text of a value, filled up to the width.
    func format(_ value: Value) throws -> Text {
        guard width <= 1000, precision ?? 0 <= 100 else { throw Fault("a width or precision in a format is too large") }
        guard let number = value.number, type != "s", type != nil || value.kind != "bool" else {
            guard type == nil || type == "s" else {
                throw Fault("the format '\(type!)' needs a number, not '\(value.kind)'")
            }
            var text = try value.printed()
            if let precision { text = text.slice(0..<text.boundaries[min(precision, text.length)]) }
            return try padded(text, isNumber: false)
        }
        var digits = try magnitude(number)
        let isNegative: Bool
        switch number {
        case .int(let value): isNegative = value < 0
        case .double(let value): isNegative = value.sign == .minus && !value.isNaN
        }
        if groupsThousands { digits = FormatSpecification.grouped(digits) }
        let sign = isNegative ? "-" : self.sign == "-" ? "" : String(self.sign)
        if alignment == "=" {
            let missing = max(0, width - sign.count - digits.count)
            return try Text().joining([Text(sign), try fill.repeated(missing), Text(digits)])
        }
        return try padded(Text(sign + digits), isNumber: true)
    }

    private func padded(_ text: Text, isNumber: Bool) throws -> Text {
        let alignment = alignment ?? (isNumber ? ">" : "<")
        if alignment == "^" {
            let missing = max(0, width - text.length)
            return try Text().joining([try fill.repeated(missing / 2), text, try fill.repeated(missing - missing / 2)])
        }
        return try text.padded(to: width, with: fill, left: alignment != "<", right: alignment == "<")
    }

    /// The digits of a number without its sign.
    private func magnitude(_ number: Number) throws -> String {
        switch type {
        case "d", "i", "u", "x", "X", "o", "b", "c":
            guard case .int(let value) = number else { throw Fault("the format '\(type!)' needs an integer") }
            switch type {
            case "x": return (isAlternate ? "0x" : "") + String(value.magnitude, radix: 16)
            case "X": return (isAlternate ? "0X" : "") + String(value.magnitude, radix: 16, uppercase: true)
            case "o": return (isAlternate ? "0o" : "") + String(value.magnitude, radix: 8)
            case "b": return (isAlternate ? "0b" : "") + String(value.magnitude, radix: 2)
            case "c":
                guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else {
                    throw Fault("the format 'c' needs a Unicode scalar")
                }
                return String(scalar)
            default:
                let digits = String(value.magnitude)
                return String(repeating: "0", count: max(0, (precision ?? 0) - digits.count)) + digits
            }
        case "f", "F", "e", "E", "g", "G", "%":
            let value = number.asDouble.magnitude
            guard value.isFinite else { return value.isNaN ? "nan" : "inf" }
            if type == "%" { return String(format: "%.\(precision ?? 6)f", value * 100) + "%" }
            return String(format: "%.\(precision ?? 6)\(type!)", value)
        case nil:
            switch number {
            case .int(let value): return String(value.magnitude)
            case .double(let value):
                let value = value.magnitude
                guard let precision, value.isFinite else { return PythonNumber.text(value) }
                return String(format: "%.\(max(precision, 1))g", value)
            }
        default: throw Fault("the format '\(type!)' is not supported")
        }
    }

    private static func grouped(_ digits: String) -> String {
        let whole = digits.prefix { $0.isNumber }
        var grouped = ""
        for (i, digit) in whole.enumerated() {
            if i > 0 && (whole.count - i) % 3 == 0 { grouped += "," }
            grouped.append(digit)
        }
        return grouped + digits.dropFirst(whole.count)
    }
}

/// A position in the scalars of a format string.
private struct FormatScanner {
    let scalars: [Unicode.Scalar]
    var position = 0

    init(_ text: Text) { scalars = text.scalars }
    var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func skip(_ allowed: String) -> Character? {
        guard let current, allowed.unicodeScalars.contains(current) else { return nil }
        position += 1
        return Character(current)
    }

    mutating func number() -> Int? {
        var digits = ""
        while let digit = skip("0123456789") { digits.append(digit) }
        return digits.isEmpty ? nil : Int(digits) ?? Int.max
    }
}

extension Text {
    /// `self % values`: printf-style, one value or a tuple of them, or a mapping for `%(name)s`.
    func formatted(with value: Value) throws -> Text {
        var values: [Value] = if case .tuple(let list) = value { list.elements } else { [value] }
        let hasOne = values.count == 1
        var scanner = FormatScanner(self)
        let boundaries = self.boundaries
        var out = Text()
        func next() throws -> Value {
            guard !values.isEmpty else { throw Fault("not enough values for the format") }
            return values.removeFirst()
        }
        while let scalar = scanner.current {
            let start = scanner.position
            scanner.position += 1
            guard scalar == "%" else {
                try out.append(slice(boundaries[start]..<boundaries[start + 1]))
                continue
            }
            var named: Value?
            if scanner.skip("(") != nil {
                let nameStart = scanner.position
                while let current = scanner.current, current != ")" { scanner.position += 1 }
                let name = slice(boundaries[nameStart]..<boundaries[scanner.position])
                guard scanner.skip(")") != nil, case .table(let table) = value, let found = table[name] else {
                    throw Fault("the format needs a mapping with '\(name.string)'")
                }
                named = found
                values = []
            }
            var specification = FormatSpecification()
            specification.alignment = ">"
            while let flag = scanner.skip("-+ #0") {
                switch flag {
                case "-": specification.alignment = "<"
                case "0" where specification.alignment == ">":
                    specification.alignment = "="
                    specification.fill = Text("0")
                case "0": break
                case "#": specification.isAlternate = true
                default: if specification.sign != "+" { specification.sign = flag }
                }
            }
            if scanner.skip("*") != nil {
                let width = try next().integer(for: "a width")
                if width < 0 { specification.alignment = "<" }
                specification.width = Int(clamping: width.magnitude)
            } else {
                specification.width = scanner.number() ?? 0
            }
            if scanner.skip(".") != nil { specification.precision = scanner.number() ?? 0 }
            guard let type = scanner.current else { throw Fault("the format ends after '%'") }
            scanner.position += 1
            if type == "%" {
                try out.append("%")
                continue
            }
            try out.append(try specification.percent(Character(type), named ?? next()))
        }
        if !values.isEmpty, !(hasOne && (value.kind == "dict" || value.kind == "list")) {
            throw Fault("not all values were used by the format")
        }
        return out
    }

    /// `self.format(…)`: `{}`, `{0}`, `{name}`, with `.attribute`, `[item]`, `!r`, `!s` and a format after a colon.
    func formatted(_ arguments: Arguments) throws -> Text {
        var scanner = FormatScanner(self)
        let boundaries = self.boundaries
        var out = Text()
        var nextIndex = 0
        while let scalar = scanner.current {
            let start = scanner.position
            scanner.position += 1
            if scalar == "{" || scalar == "}", scanner.current == scalar {
                try out.append(String(scalar))
                scanner.position += 1
                continue
            }
            guard scalar == "{" else {
                guard scalar != "}" else { throw Fault("a single '}' in a format") }
                try out.append(slice(boundaries[start]..<boundaries[start + 1]))
                continue
            }
            var field = String.UnicodeScalarView()
            while let current = scanner.current, current != "}" {
                field.append(current)
                scanner.position += 1
            }
            guard scanner.skip("}") != nil else { throw Fault("a '{' in a format is not closed") }
            try out.append(try Text.field(String(field), arguments, &nextIndex))
        }
        return out
    }

    private static func field(_ field: String, _ arguments: Arguments, _ nextIndex: inout Int) throws -> Text {
        let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let halves = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves[0]
        let base = path.prefix { $0 != "." && $0 != "[" }
        var value: Value
        if base.isEmpty || base.allSatisfy({ $0.isASCII && $0.isNumber }) {
            let index = base.isEmpty ? nextIndex : Int(base) ?? Int.max
            if base.isEmpty { nextIndex += 1 }
            guard index < arguments.positional.count else { throw Fault("the format has no value \(index)") }
            value = arguments.positional[index]
        } else {
            guard let found = arguments.named.first(where: { $0.name == base }) else {
                throw Fault("the format has no value '\(base)'")
            }
            value = found.value
        }
        var rest = path.dropFirst(base.count)
        while let first = rest.first {
            rest = rest.dropFirst()
            let name = rest.prefix { first == "[" ? $0 != "]" : $0 != "." && $0 != "[" }
            rest = rest.dropFirst(name.count + (first == "[" ? 1 : 0))
            let index: Value = Int(name).map { .int($0) } ?? Value(String(name))
            value = try first == "[" ? value.item(index) : value.attribute(AttributeName(Text(String(name))))
        }
        if halves.count > 1, halves[1] == "r" {
            var text = Text()
            try value.writeRepresentation(to: &text)
            value = .text(text)
        }
        if case .undefined = value { value = .text(Text()) }
        return try FormatSpecification(parsing: parts.count > 1 ? String(parts[1]) : "").format(value)
    }
}

extension FormatSpecification {
    /// One `%` conversion.
    fileprivate func percent(_ type: Character, _ value: Value) throws -> Text {
        var copy = self
        copy.type = type
        switch type {
        case "r":
            var text = Text()
            try value.writeRepresentation(to: &text)
            copy.type = "s"
            return try copy.format(.text(text))
        case "s":
            if copy.alignment == "=" {
                copy.alignment = ">"
                copy.fill = Text(" ")
            }
            return try copy.format(.text(try value.printed()))
        case "d", "i", "u":
            if case .double(let number) = value, let whole = Int(exactly: number.rounded(.towardZero)) {
                return try copy.format(.int(whole))
            }
            return try copy.format(value)
        case "c" where value.kind == "str": return try copy.format(value)
        default: return try copy.format(value)
        }
    }

    /// The format after the colon of `{:…}`.
    fileprivate init(parsing text: String) throws {
        var scanner = FormatScanner(Text(text))
        let alignments = "<>^="
        if scanner.scalars.count > 1, alignments.unicodeScalars.contains(scanner.scalars[1]) {
            fill = Text(scanner.scalars[0])
            scanner.position = 1
        }
        alignment = scanner.skip(alignments)
        sign = scanner.skip("+- ") ?? "-"
        isAlternate = scanner.skip("#") != nil
        if scanner.skip("0") != nil, alignment == nil {
            fill = Text("0")
            alignment = "="
        }
        width = scanner.number() ?? 0
        groupsThousands = scanner.skip(",") != nil
        if scanner.skip(".") != nil { precision = scanner.number() ?? 0 }
        type = scanner.current.map { Character($0) }
        guard scanner.position + (type == nil ? 0 : 1) == scanner.scalars.count else {
            throw Fault("the format '\(text)' is not supported")
        }
    }
}
