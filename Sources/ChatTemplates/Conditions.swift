/// The tests of `value is test`.
enum Condition: String, Sendable {
    case boolean, callable, defined, divisibleby, eq, escaped, even, filter, float, ge, gt, integer, iterable, le,
        lower,
        lt, mapping, ne, none, number, odd, sameas, sequence, string, test, undefined, upper
    case isFalse = "false"
    case isTrue = "true"
    case isIn = "in"

    private static let aliases: [String: Condition] = [
        "==": .eq, "equalto": .eq, "!=": .ne, ">": .gt, "greaterthan": .gt, ">=": .ge, "<": .lt, "lessthan": .lt,
        "<=": .le,
    ]

    /// The test with a name, or nil if there is none.
    init?(name: String) {
        guard let condition = Condition(rawValue: name) ?? Condition.aliases[name] else { return nil }
        self = condition
    }

    private var parameters: [String] {
        switch self {
        case .divisibleby: ["num"]
        case .sameas: ["other"]
        case .isIn: ["seq"]
        case .eq, .ne, .lt, .le, .gt, .ge: ["b"]
        default: []
        }
    }

    /// Whether the test looks at each character of a text.
    var isOfCharacters: Bool { self == .lower || self == .upper }

    func holds(for value: Value, _ arguments: Arguments) throws -> Bool {
        let values = try arguments.bound(to: parameters, of: "the test '\(rawValue)'")
        func other() throws -> Value { try values[0].required("what '\(rawValue)' compares with") }
        switch self {
        case .defined: return !value.isUndefined
        case .undefined: return value.isUndefined
        case .none: return if case .none = value { true } else { false }
        case .boolean: return if case .bool = value { true } else { false }
        case .isTrue: return if case .bool(true) = value { true } else { false }
        case .isFalse: return if case .bool(false) = value { true } else { false }
        case .integer: return if case .int = value { true } else { false }
        case .float: return if case .double = value { true } else { false }
        case .number: return value.number != nil
        case .string: return if case .text = value { true } else { false }
        case .mapping: return if case .table = value { true } else { false }
        case .sequence:
            return switch value {
            case .text, .list, .tuple, .table, .range, .undefined: true
            default: false
            }
        case .iterable:
            return switch value {
            case .text, .list, .tuple, .table, .range, .view, .iterator, .loop, .undefined: true
            default: false
            }
        case .callable:
            return switch value {
            case .function, .method, .macro, .joiner, .loop, .undefined: true
            default: false
            }
        case .odd, .even, .divisibleby:
            let divisor = self == .divisibleby ? try other() : .int(2)
            let remainder = try Value.arithmetic(.remainder, value, divisor)
            return remainder.equals(.int(self == .odd ? 1 : 0))
        case .lower: return try value.printed().allCased { $0.isLowercase }
        case .upper: return try value.printed().allCased { $0.isUppercase }
        case .escaped: return if case .text(let text) = value { text.isMarkup } else { false }
        case .filter: return try Filter(name: value.text(for: "the name of a filter").string) != nil
        case .test: return try Condition(name: value.text(for: "the name of a test").string) != nil
        case .sameas: return value.isSame(as: try other())
        case .isIn: return try other().contains(value)
        case .eq: return value.equals(try other())
        case .ne: return !value.equals(try other())
        case .lt: return try value.compare(.less, other())
        case .le: return try value.compare(.lessOrEqual, other())
        case .gt: return try value.compare(.greater, other())
        case .ge: return try value.compare(.greaterOrEqual, other())
        }
    }
}

extension Value {
    /// Python's `is`, for values where it says something.
    fileprivate func isSame(as other: Value) -> Bool {
        switch (self, other) {
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): a === b
        case (.table(let a), .table(let b)): a === b
        default: kind == other.kind && equals(other)
        }
    }
}
