/// Values of expressions.
extension Interpreter {
    func evaluate(_ expression: Expression) throws -> Value {
        try step()
        switch expression {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .integer(let value): return .int(value)
        case .float(let value): return .double(value)
        case .text(let text): return .text(text)
        case .name(let symbol):
            return scope.value(of: symbol) ?? .undefined(Undefined(reason: "'\(name(of: symbol))' is undefined"))
        case .captured: return .text(captured.last ?? Text())
        default: return try nested { try compute(expression) }
        }
    }

    private func compute(_ expression: Expression) throws -> Value {
        switch expression {
        case .list(let elements): return .list(try List(try elements.map { try evaluate($0) }))
        case .tuple(let elements): return .tuple(try List(try elements.map { try evaluate($0) }))
        case .dictionary(let pairs, let line):
            let pairs = try pairs.map { (key: try evaluate($0.key), value: try evaluate($0.value)) }
            self.line = line
            return .table(try Table(pairs))
        case .attribute(let base, let name, let line):
            let value = try evaluate(base)
            self.line = line
            return try value.attribute(name)
        case .item(let base, let index, let line):
            let value = try evaluate(base)
            let index = try evaluate(index)
            self.line = line
            if case .text(let text) = value { try charge(text.count) }
            return try value.item(index)
        case .slice(let base, let from, let to, let step, let line):
            let value = try evaluate(base)
            let bounds = try [from, to, step].map { try $0.map { try evaluate($0) } }
            self.line = line
            try charge(value.breadth)
            return try value.slice(from: bounds[0], to: bounds[1], step: bounds[2])
        case .call(let callee, let list, let line):
            let function = try evaluate(callee)
            let arguments = try self.arguments(list)
            self.line = line
            if case .method(let method) = function { try charge(8 * method.receiver.breadth + arguments.breadth) }
            return try made(try call(function, arguments))
        case .filter(let base, let filter, let list, let line):
            let value = try evaluate(base)
            let arguments = try self.arguments(list)
            self.line = line
            try charge(filter.cost(of: value) + arguments.breadth)
            return try made(try filter.apply(to: value, arguments))
        case .test(let base, let condition, let list, let line):
            let value = try evaluate(base)
            let arguments = try self.arguments(list)
            self.line = line
            if case .text(let text) = value, condition.isOfCharacters { try charge(32 * text.count) }
            if !arguments.isEmpty { try charge(value.size + arguments.breadth) }
            return .bool(try condition.holds(for: value, arguments))
        case .arithmetic(let first, let rest, let line):
            var value = try evaluate(first)
            for (op, operand) in rest {
                let right = try evaluate(operand)
                self.line = line
                value = try made(try Value.arithmetic(op, value, right))
            }
            return value
        case .concatenation(let values, let line):
            var text = Text()
            for value in values {
                let value = try evaluate(value)
                self.line = line
                try text.append(try value.printed())
            }
            text.isMarkup = false
            return try made(.text(text))
        case .comparison(let first, let rest, let line): return .bool(try compare(first, rest, line))
        case .and(let values):
            var value = Value.none
            for operand in values {
                value = try evaluate(operand)
                if !value.isTrue { return value }
            }
            return value
        case .or(let values):
            var value = Value.none
            for operand in values {
                value = try evaluate(operand)
                if value.isTrue { return value }
            }
            return value
        case .not(let operand): return .bool(try !evaluate(operand).isTrue)
        case .negative(let operand, let line):
            let value = try evaluate(operand)
            self.line = line
            if case .double(let number) = value { return .double(-number) }
            return try Value.arithmetic(.subtract, .int(0), try number(value, sign: "-"))
        case .positive(let operand, let line):
            let value = try evaluate(operand)
            self.line = line
            return try number(value, sign: "+")
        case .conditional(let value, let condition, let other):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            guard let other else {
                return .undefined(Undefined(reason: "an 'if' without 'else' in an expression has no value here"))
            }
            return try evaluate(other)
        case .none, .bool, .integer, .float, .text, .name, .captured: return try evaluate(expression)
        }
    }

    private func number(_ value: Value, sign: String) throws -> Value {
        if case .undefined(let undefined) = value { throw Fault(undefined.reason) }
        guard let number = value.number else { throw Fault("the sign '\(sign)' needs a number, not '\(value.kind)'") }
        return Value(number)
    }

    /// Counts the text or the elements of a value that was made.
    private func made(_ value: Value) throws -> Value {
        try charge(value.breadth)
        return value
    }

    private func compare(
        _ first: Expression, _ rest: [(sign: ComparisonOperator, operand: Expression)], _ line: Int
    ) throws -> Bool {
        var left = try evaluate(first)
        for (op, operand) in rest {
            let right = try evaluate(operand)
            self.line = line
            try charge(left.size + right.size)
            let holds =
                switch op {
                case .equal: left.equals(right)
                case .notEqual: !left.equals(right)
                case .isIn: try right.contains(left)
                case .isNotIn: try !right.contains(left)
                case .less, .lessOrEqual, .greater, .greaterOrEqual: try left.compare(op, right)
                }
            if !holds { return false }
            left = right
        }
        return true
    }
}
