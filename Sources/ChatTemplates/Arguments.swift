/// The values that a call, filter or test is given.
struct Arguments {
    var positional: [Value] = []
    var named: [(name: String, value: Value)] = []

    var isEmpty: Bool { positional.isEmpty && named.isEmpty }

    /// What going through the values once costs, in bytes.
    var breadth: Int { positional.reduce(0) { $0 + $1.breadth } + named.reduce(0) { $0 + $1.value.breadth } }

    /// The values in the order of `parameters`, nil where none is given.
    /// - Throws: if there are more values than parameters, an unknown name, or two values for one parameter.
    func bound(to parameters: [String], of callee: String) throws -> [Value?] {
        guard positional.count <= parameters.count else {
            throw Fault("\(callee) takes at most \(parameters.count) arguments, \(positional.count) are given")
        }
        var values: [Value?] = positional + [Value?](repeating: nil, count: parameters.count - positional.count)
        for (name, value) in named {
            guard let position = parameters.firstIndex(of: name) else {
                throw Fault("\(callee) has no parameter '\(name)'")
            }
            guard values[position] == nil else { throw Fault("\(callee) gets two values for '\(name)'") }
            values[position] = value
        }
        return values
    }
}

extension Value {
    /// The text that a method or filter needs.
    func text(for purpose: String) throws -> Text {
        switch self {
        case .text(let text): return text
        case .undefined(let undefined): throw Fault(undefined.reason)
        default: throw Fault("\(purpose) must be a string, not '\(kind)'")
        }
    }
}

extension Value? {
    /// The text, or nil if not given or `none`.
    func text(for purpose: String) throws -> Text? {
        switch self {
        case nil, .some(.none): nil
        case .some(let value): try value.text(for: purpose)
        }
    }

    func integer(for purpose: String, default value: Int) throws -> Int {
        try self?.integer(for: purpose) ?? value
    }

    func isTrue(default value: Bool) -> Bool { self?.isTrue ?? value }

    /// The value.
    /// - Throws: if it is not given.
    func required(_ name: String) throws -> Value {
        guard let self else { throw Fault("\(name) is missing") }
        return self
    }
}
