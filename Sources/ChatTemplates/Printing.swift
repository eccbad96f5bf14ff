/// Values as text: what `{{ value }}` prints (Python's `str`), and Python's `repr` inside lists and mappings.
extension Value {
    func printed() throws -> Text {
        switch self {
        case .text(let text): return text
        case .undefined: return Text()
        default:
            var out = Text()
            try writeRepresentation(to: &out)
            return out
        }
    }

    /// Appends the value as Python's `repr` shows it.
    func writeRepresentation(to out: inout Text) throws {
        let start = out.count
        switch self {
        case .undefined: try out.append("Undefined")
        case .none: try out.append("None")
        case .bool(let value): try out.append(value ? "True" : "False")
        case .int(let value): try out.append(String(value))
        case .double(let value): try out.append(PythonNumber.text(value))
        case .text(let text): try text.writeRepresentation(to: &out)
        case .list(let list):
            try Value.write(list.elements, "[", "]", to: &out)
            if let source = list.source { out.mark(from: start, as: source) }
        case .tuple(let list):
            try Value.write(list.elements, "(", list.elements.count == 1 ? ",)" : ")", to: &out)
        case .table(let table):
            try out.append("{")
            for (i, key) in table.keys.enumerated() {
                if i > 0 { try out.append(", ") }
                try key.writeRepresentation(to: &out)
                try out.append(": ")
                try table.values[i].writeRepresentation(to: &out)
            }
            try out.append("}")
            if let source = table.source { out.mark(from: start, as: source) }
        case .range(let range):
            try out.append("range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))")
        case .view(let view):
            try out.append(view.kind.rawValue)
            try Value.write(view.elements, "([", "])", to: &out)
        case .iterator, .namespace, .loop, .cycler, .joiner, .function, .method, .macro:
            throw Fault("a \(kind) cannot be printed")
        }
    }

    private static func write(_ elements: [Value], _ open: String, _ close: String, to out: inout Text) throws {
        try out.append(open)
        for (i, element) in elements.enumerated() {
            if i > 0 { try out.append(", ") }
            try element.writeRepresentation(to: &out)
        }
        try out.append(close)
    }
}

extension Text {
    /// Appends the text in quotes, with escapes for what does not print.
    func writeRepresentation(to out: inout Text) throws {
        let start = out.count
        let quote: Unicode.Scalar =
            bytes.contains(UInt8(ascii: "'")) && !bytes.contains(UInt8(ascii: "\"")) ? "\"" : "'"
        var text = ""
        if isMarkup { text += "Markup(" }
        text.unicodeScalars.append(quote)
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case quote: text += "\\" + String(quote)
            default:
                if Text.isPrintable(scalar) {
                    text.unicodeScalars.append(scalar)
                } else {
                    let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
                    let digits = String(scalar.value, radix: 16)
                    text += "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
                }
            }
        }
        text.unicodeScalars.append(quote)
        if isMarkup { text += ")" }
        try out.append(text)
        if let onlySource { out.mark(from: start, as: onlySource) }
    }

    /// Python's `str.isprintable` of one character.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }
}

/// Numbers as Python prints them.
enum PythonNumber {
    /// The shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
    static func text(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        var (digits, exponent) = digits(of: abs(value))  // value = 0.digits × 10^exponent
        var text: String
        if exponent > 16 || exponent < -3 {
            text = String(digits.removeFirst())
            if !digits.isEmpty { text += "." + digits }
            let power = abs(exponent - 1)
            text += "e" + (exponent < 1 ? "-" : "+") + (power < 10 ? "0" : "") + String(power)
        } else if exponent <= 0 {
            text = "0." + String(repeating: "0", count: -exponent) + digits
        } else if digits.count <= exponent {
            text = digits + String(repeating: "0", count: exponent - digits.count) + ".0"
        } else {
            text = String(digits.prefix(exponent)) + "." + String(digits.dropFirst(exponent))
        }
        return (value < 0 ? "-" : "") + text
    }

    /// The shortest digits d₁d₂… and the exponent e with value = 0.d₁d₂… × 10ᵉ.
    private static func digits(of value: Double) -> (String, Int) {
        let parts = value.description.split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let halves = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        exponent += halves[0].count
        var digits = String(halves[0]) + (halves.count > 1 ? String(halves[1]) : "")
        while digits.hasPrefix("0") {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0") { digits.removeLast() }
        return (digits, exponent)
    }
}
