import Foundation

/// Filters that make numbers.
extension Filter {
    func numeric(_ value: Value, _ values: [Value?]) throws -> Value {
        if case .undefined(let undefined) = value { throw Fault(undefined.reason) }
        switch self {
        case .int: return try integer(value, default: values[0] ?? .int(0), base: values[1])
        case .float:
            if let number = value.number { return .double(number.asDouble) }
            if case .text(let text) = value, let number = PythonNumber.double(text) { return .double(number) }
            return values[0] ?? .double(0)
        case .abs:
            guard let number = value.number else { throw Fault("'abs' needs a number, not '\(value.kind)'") }
            if case .int(let value) = number {
                guard value != Int.min else { throw Value.overflow }
                return .int(Swift.abs(value))
            }
            return .double(number.asDouble.magnitude)
        default: return try rounded(value, values)
        }
    }

    private func integer(_ value: Value, default fallback: Value, base: Value?) throws -> Value {
        switch value {
        case .text(let text):
            let base = try base.integer(for: "a base", default: 10)
            guard base == 0 || 2...36 ~= base else { throw Fault("a base must be between 2 and 36") }
            if let number = PythonNumber.integer(text, base: base) { return .int(number) }
            guard let number = PythonNumber.double(text) else { return fallback }
            return Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? fallback
        case .double(let number):
            if number.isNaN { return fallback }
            guard let whole = Int(exactly: number.rounded(.towardZero)) else { throw Value.overflow }
            return .int(whole)
        default: return value.number.map { Value($0) } ?? fallback
        }
    }

    private func rounded(_ value: Value, _ values: [Value?]) throws -> Value {
        guard let number = value.number else { throw Fault("'round' needs a number, not '\(value.kind)'") }
        let precision = try values[0].integer(for: "a precision", default: 0)
        let method = try values[1].text(for: "the method")?.string ?? "common"
        guard Swift.abs(precision) <= 300 else { throw Fault("the precision of 'round' is too large") }
        let scale = pow(10, Double(precision))
        switch (method, number) {
        case ("ceil", _), ("floor", _):
            let scaled = number.asDouble * scale
            return .double((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
        case ("common", .int(let value)) where precision >= 0: return .int(value)
        case ("common", .int(let value)):
            let unit = Int(pow(10, Double(Swift.min(-precision, 18))))
            let remainder = (value % unit + unit) % unit
            let (below, isTooLow) = value.subtractingReportingOverflow(remainder)
            if isTooLow { throw Value.overflow }
            let isUp = remainder * 2 > unit || remainder * 2 == unit && below / unit % 2 != 0
            let (result, overflowed) = below.addingReportingOverflow(isUp ? unit : 0)
            if overflowed { throw Value.overflow }
            return .int(result)
        case ("common", .double(let value)):
            guard value.isFinite else { return .double(value) }
            if precision == 0 { return .double(value.rounded(.toNearestOrEven)) }
            if precision < 0 { return .double((value * scale).rounded(.toNearestOrEven) / scale) }
            return .double(Double(String(format: "%.\(precision)f", value)) ?? value)
        default: throw Fault("the method of 'round' must be 'common', 'ceil' or 'floor'")
        }
    }
}

extension PythonNumber {
    /// The integer that Python's `int(text, base)` reads, if it fits 64 bits.
    static func integer(_ text: Text, base: Int) -> Int? {
        var digits = Substring(text.stripped(nil).string)
        let isNegative = digits.hasPrefix("-")
        if isNegative || digits.hasPrefix("+") { digits = digits.dropFirst() }
        var base = base
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.lowercased().hasPrefix(prefix) {
            if base == radix || base == 0 {
                digits = digits.dropFirst(2)
                base = radix
            }
        }
        if base == 0 { base = 10 }
        guard let number = withoutUnderscores(digits) else { return nil }
        guard number.first != "-", number.first != "+" else { return nil }
        return Int((isNegative ? "-" : "") + number, radix: base)
    }

    /// The number that Python's `float(text)` reads.
    static func double(_ text: Text) -> Double? {
        guard let text = withoutUnderscores(Substring(text.stripped(nil).string)) else { return nil }
        let isDecimal = text.utf8.allSatisfy { 0x30...0x39 ~= $0 || "+-.eE".utf8.contains($0) }
        let isNamed = ["inf", "infinity", "nan"].contains(text.lowercased().trimmingCharacters(in: ["+", "-"]))
        guard isDecimal || isNamed else { return nil }
        return Double(text.hasSuffix(".") ? text + "0" : text)
    }

    /// The digits without the single underscores between them; nil if an underscore is elsewhere.
    private static func withoutUnderscores(_ text: Substring) -> String? {
        guard !text.hasPrefix("_"), !text.hasSuffix("_"), !text.contains("__") else { return nil }
        return text.filter { $0 != "_" }
    }
}
