/// The filter `tojson` as Transformers sets it: Python's `json.dumps` with `ensure_ascii=False`.
struct JSONOutput {
    var ensuresASCII = false
    /// One level of indentation; nil for everything on one line.
    var indent: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false

    func text(_ value: Value) throws -> Text {
        var out = Text()
        try write(value, level: 0, to: &out)
        return out
    }

    /// A list or mapping out of a message is of that message as a whole; else each string keeps its source.
    private func write(_ value: Value, level: Int, to out: inout Text) throws {
        let start = out.count
        switch value {
        case .none: try out.append("null")
        case .bool(let value): try out.append(value ? "true" : "false")
        case .int(let value): try out.append(String(value))
        case .double(let value): try out.append(JSONOutput.text(value))
        case .text(let text): try write(text, to: &out)
        case .list(let list), .tuple(let list):
            try out.append("[")
            for (i, element) in list.elements.enumerated() {
                try separate(i, level, &out)
                try write(element, level: level + 1, to: &out)
            }
            try close("]", isEmpty: list.elements.isEmpty, level, &out)
            if let source = list.source { out.mark(from: start, as: source) }
        case .table(let table):
            try out.append("{")
            for (i, position) in try order(table).enumerated() {
                try separate(i, level, &out)
                try write(try key(table.keys[position]), to: &out)
                try out.append(keySeparator)
                try write(table.values[position], level: level + 1, to: &out)
            }
            try close("}", isEmpty: table.count == 0, level, &out)
            if let source = table.source { out.mark(from: start, as: source) }
        default: throw Fault("'\(value.kind)' has no form in JSON")
        }
    }

    private func separate(_ index: Int, _ level: Int, _ out: inout Text) throws {
        if index > 0 { try out.append(itemSeparator) }
        try newLine(level + 1, &out)
    }

    private func close(_ bracket: String, isEmpty: Bool, _ level: Int, _ out: inout Text) throws {
        if !isEmpty { try newLine(level, &out) }
        try out.append(bracket)
    }

    private func newLine(_ level: Int, _ out: inout Text) throws {
        guard let indent else { return }
        try out.append("\n" + String(repeating: indent, count: level))
    }

    private func order(_ table: Table) throws -> [Int] {
        guard sortsKeys else { return Array(table.keys.indices) }
        return try table.keys.indices.sorted { try table.keys[$0].isLess(than: table.keys[$1]) }
    }

    private func key(_ key: Value) throws -> Text {
        switch key {
        case .text(let text): return text
        case .none: return Text("null")
        case .bool(let value): return Text(value ? "true" : "false")
        case .int(let value): return Text(String(value))
        case .double(let value): return Text(JSONOutput.text(value))
        default: throw Fault("keys of JSON objects must be strings or numbers, not '\(key.kind)'")
        }
    }

    private static func text(_ value: Double) -> String {
        value.isFinite ? PythonNumber.text(value) : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }

    private func write(_ text: Text, to out: inout Text) throws {
        let start = out.count
        var json = "\""
        for scalar in text.string.unicodeScalars {
            switch scalar {
            case "\"": json += "\\\""
            case "\\": json += "\\\\"
            case "\n": json += "\\n"
            case "\r": json += "\\r"
            case "\t": json += "\\t"
            case "\u{8}": json += "\\b"
            case "\u{C}": json += "\\f"
            default:
                if scalar.value < 0x20 || ensuresASCII && scalar.value > 0x7E {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    json.unicodeScalars.append(scalar)
                }
            }
        }
        try out.append(json + "\"")
        if let source = text.onlySource { out.mark(from: start, as: source) }
    }
}
