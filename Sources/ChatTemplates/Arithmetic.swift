import Foundation

/// A number; truth values count as 0 and 1.
enum Number {
    case int(Int)
    case double(Double)

    var asDouble: Double {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        }
    }
}

extension Value {
    var number: Number? {
        switch self {
        case .bool(let value): .int(value ? 1 : 0)
        case .int(let value): .int(value)
        case .double(let value): .double(value)
        default: nil
        }
    }

    init(_ number: Number) {
        switch number {
        case .int(let value): self = .int(value)
        case .double(let value): self = .double(value)
        }
    }

    /// The whole number of an index or count.
    func integer(for purpose: String) throws -> Int {
        switch self {
        case .int(let value): return value
        case .bool(let value): return value ? 1 : 0
        case .undefined(let undefined): throw Fault(undefined.reason)
        default: throw Fault("\(purpose) must be an integer, not '\(kind)'")
        }
    }

    /// `left op right` as in Python, on 64-bit integers.
    static func arithmetic(_ op: ArithmeticOperator, _ left: Value, _ right: Value) throws -> Value {
        if case .text(let format) = left, op == .remainder { return .text(try format.formatted(with: right)) }
        if case .undefined(let undefined) = left { throw Fault(undefined.reason) }
        if case .undefined(let undefined) = right { throw Fault(undefined.reason) }
        if let a = left.number, let b = right.number { return try numeric(op, a, b) }
        switch (op, left, right) {
        case (.add, .text(let a), .text(let b)): return .text(try a.adding(b))
        case (.add, .list(let a), .list(let b)):
            return .list(try List(a.elements + b.elements, source: a.commonSource(b)))
        case (.add, .tuple(let a), .tuple(let b)): return .tuple(try List(a.elements + b.elements))
        case (.multiply, .text(let text), .int), (.multiply, .text(let text), .bool):
            return .text(try text.repeated(try right.integer(for: "a factor")))
        case (.multiply, .int, .text(let text)), (.multiply, .bool, .text(let text)):
            return .text(try text.repeated(try left.integer(for: "a factor")))
        case (.multiply, .list(let list), .int(let count)), (.multiply, .int(let count), .list(let list)):
            return .list(try list.repeated(count))
        case (.multiply, .tuple(let list), .int(let count)), (.multiply, .int(let count), .tuple(let list)):
            return .tuple(try list.repeated(count))
        default: throw Fault("'\(op.rawValue)' is not supported between '\(left.kind)' and '\(right.kind)'")
        }
    }

    private static func numeric(_ op: ArithmeticOperator, _ a: Number, _ b: Number) throws -> Value {
        if case .int(let a) = a, case .int(let b) = b, op != .divide { return try integral(op, a, b) }
        let (x, y) = (a.asDouble, b.asDouble)
        switch op {
        case .add: return .double(x + y)
        case .subtract: return .double(x - y)
        case .multiply: return .double(x * y)
        case .power:
            if x == 0 && y < 0 { throw Fault("0 cannot be raised to a negative power") }
            let power = pow(x, y)
            if power.isNaN && !x.isNaN && !y.isNaN { throw Fault("a negative number cannot be raised to a fraction") }
            if power.isInfinite && x.isFinite && y.isFinite { throw Fault("the result of '**' is too large") }
            return .double(power)
        case .divide, .floorDivide, .remainder:
            guard y != 0 else { throw Fault("division by zero") }
            if op == .divide { return .double(x / y) }
            var remainder = fmod(x, y)
            if remainder != 0, (remainder < 0) != (y < 0) { remainder += y }
            if op == .remainder { return .double(remainder == 0 ? copysign(0, y) : remainder) }
            let quotient = (x - remainder) / y
            let floored = quotient.rounded(.down)
            return .double(quotient - floored > 0.5 ? floored + 1 : floored)
        }
    }

    private static func integral(_ op: ArithmeticOperator, _ a: Int, _ b: Int) throws -> Value {
        let result: (partialValue: Int, overflow: Bool)
        switch op {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .divide, .floorDivide, .remainder:
            guard b != 0 else { throw Fault("division by zero") }
            guard !(a == Int.min && b == -1) else { throw overflow }
            let remainder = a % b
            let isRoundedUp = remainder != 0 && (remainder < 0) != (b < 0)
            if op == .remainder { return .int(isRoundedUp ? remainder + b : remainder) }
            return .int(a / b - (isRoundedUp ? 1 : 0))
        case .power:
            guard b >= 0 else { return try numeric(.power, .double(Double(a)), .double(Double(b))) }
            if a == 0 || a == 1 || b == 0 { return .int(b == 0 ? 1 : a) }
            if a == -1 { return .int(b % 2 == 0 ? 1 : -1) }
            var power = 1
            for _ in 0..<min(b, 64) {
                let (product, overflowed) = power.multipliedReportingOverflow(by: a)
                if overflowed { throw overflow }
                power = product
            }
            return .int(power)
        }
        if result.overflow { throw overflow }
        return .int(result.partialValue)
    }

    static var overflow: Fault { Fault("an integer grew beyond 64 bits") }
}

extension List {
    func repeated(_ count: Int) throws -> List {
        guard elements.count.multipliedReportingOverflow(by: max(count, 0)).overflow == false,
            elements.count * max(count, 0) <= Limits.containerWeight
        else { throw Fault("a list or mapping grew beyond \(Limits.containerWeight) values") }
        return try List((0..<max(count, 0)).flatMap { _ in elements }, source: source)
    }

    func commonSource(_ other: List) -> Source? { source == other.source ? source : nil }
}

extension Text {
    /// `self + other`; if one is markup, the other is escaped.
    func adding(_ other: Text) throws -> Text {
        if isMarkup != other.isMarkup {
            return try (isMarkup ? self : escaped()).adding(other.isMarkup ? other : other.escaped())
        }
        var result = self
        try result.append(other)
        return result
    }

    func repeated(_ count: Int) throws -> Text {
        let (size, isTooLarge) = self.count.multipliedReportingOverflow(by: max(count, 0))
        guard !isTooLarge, size <= Limits.textBytes else { throw Text.tooLong }
        if bytes.count == 1, marks.isEmpty { return Text([UInt8](repeating: bytes[0], count: size)) }
        var result = Text()
        for _ in 0..<(size > 0 ? count : 0) { try result.append(self) }
        return result
    }

    /// With `& < > " '` as HTML writes them, as markup.
    func escaped() -> Text {
        if isMarkup { return self }
        var result = mapScalars { scalars, index, out in
            switch scalars[index] {
            case "&": out += Array("&amp;".utf8)
            case "<": out += Array("&lt;".utf8)
            case ">": out += Array("&gt;".utf8)
            case "\"": out += Array("&#34;".utf8)
            case "'": out += Array("&#39;".utf8)
            default: out += Array(UTF8.encode(scalars[index])!)
            }
        }
        result.isMarkup = true
        return result
    }
}
