extension JSON {
    /// The value as text. With `indent` the layout of Python's `json.dumps(indent=…)`; without, one line with `", "` and
    /// `": "` as `json.dumps` puts them, or without blanks if `compact`.
    /// - Parameters:
    ///   - indent: spaces of each level; nil for one line.
    ///   - compact: leaves the blanks of a line out.
    ///   - escapeNonASCII: writes every scalar above U+007E as \uXXXX, as Python's default does.
    /// - Returns: the text, without a line break at its end.
    public func text(indent: Int? = nil, compact: Bool = false, escapeNonASCII: Bool = false) -> String {
        var writer = JSONWriter(indent: indent, compact: compact, escapeNonASCII: escapeNonASCII)
        writer.write(self, level: 0)
        return writer.out
    }
}

private struct JSONWriter {
    let indent: Int?
    let compact: Bool
    let escapeNonASCII: Bool
    var out = ""

    init(indent: Int?, compact: Bool, escapeNonASCII: Bool) {
        self.indent = indent
        self.compact = compact
        self.escapeNonASCII = escapeNonASCII
    }

    mutating func write(_ value: JSON, level: Int) {
        switch value {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .integer(let value): out += String(value)
        case .number(let value): write(value)
        case .string(let value): write(value)
        case .array(let values):
            list("[", "]", values.count, level) { writer, i in writer.write(values[i], level: level + 1) }
        case .object(let object):
            list("{", "}", object.count, level) { writer, i in
                writer.write(object.members[i].key)
                writer.out += writer.compact ? ":" : ": "
                writer.write(object.members[i].value, level: level + 1)
            }
        }
    }

    private mutating func list(
        _ open: String, _ close: String, _ count: Int, _ level: Int, _ element: (inout JSONWriter, Int) -> Void
    ) {
        out += open
        for i in 0..<count {
            if i > 0 { out += indent != nil || compact ? "," : ", " }
            newline(level + 1)
            element(&self, i)
        }
        if count > 0 { newline(level) }
        out += close
    }

    private mutating func newline(_ level: Int) {
        guard let indent else { return }
        out += "\n" + String(repeating: " ", count: indent * level)
    }

    /// Numbers as Python prints floats: the shortest digits that read back, with ".0" for whole numbers.
    private mutating func write(_ value: Double) {
        precondition(value.isFinite, "JSON has no \(value)")
        out += String(describing: value)
    }

    private mutating func write(_ text: String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\u{8}": out += "\\b"
            case "\u{C}": out += "\\f"
            default:
                if scalar.value < 0x20 || scalar.value > 0x7E && escapeNonASCII {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    out.unicodeScalars.append(scalar)
                }
            }
        }
        out += "\""
    }
}
