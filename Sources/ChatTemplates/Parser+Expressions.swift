/// Expressions in Jinja's order of precedence: conditional, or, and, not, comparison, `+ -`, `~`, `* / // %`, `**`, sign,
/// then postfixes (`.name`, `[…]`, `(…)`), filters and tests.
extension Parser {
    /// One expression, or several with commas between them, which make a tuple.
    mutating func tupleOrExpression(
        allowsConditional: Bool = true, endsBefore name: String? = nil, inParentheses: Bool = false
    ) throws -> Expression {
        var items: [Expression] = []
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(.symbol(",")) }
            if isTupleEnd(name) { break }
            items.append(allowsConditional ? try expression() : try or())
            guard current.kind == .symbol(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let first = items.first { return first }
            guard inParentheses else { throw fault("expected an expression, found \(current.description)") }
        }
        return .tuple(items)
    }

    private func isTupleEnd(_ name: String?) -> Bool {
        switch current.kind {
        case .variableEnd, .blockEnd, .symbol(")"): true
        case .name(let found): found == name
        default: false
        }
    }

    mutating func expression() throws -> Expression {
        try nested { parser in
            var value = try parser.or()
            while parser.skip(.name("if")) {
                let condition = try parser.or()
                let other = parser.skip(.name("else")) ? try parser.expression() : nil
                value = .conditional(value, if: condition, else: other)
            }
            return value
        }
    }

    private mutating func or() throws -> Expression {
        var values = [try and()]
        while skip(.name("or")) { values.append(try and()) }
        return values.count == 1 ? values[0] : .or(values)
    }

    private mutating func and() throws -> Expression {
        var values = [try not()]
        while skip(.name("and")) { values.append(try not()) }
        return values.count == 1 ? values[0] : .and(values)
    }

    private mutating func not() throws -> Expression {
        guard skip(.name("not")) else { return try comparison() }
        return .not(try nested { try $0.not() })
    }

    private mutating func comparison() throws -> Expression {
        let line = current.line
        let first = try sum()
        var rest: [(sign: ComparisonOperator, operand: Expression)] = []
        while true {
            if case .symbol(let symbol) = current.kind, let op = ComparisonOperator(rawValue: symbol) {
                skip()
                rest.append((op, try sum()))
            } else if skip(.name("in")) {
                rest.append((.isIn, try sum()))
            } else if current.kind == .name("not"), following.kind == .name("in") {
                skip()
                skip()
                rest.append((.isNotIn, try sum()))
            } else {
                return rest.isEmpty ? first : .comparison(first, rest, line: line)
            }
        }
    }

    private mutating func sum() throws -> Expression {
        try chain([.add, .subtract]) { try $0.concatenation() }
    }

    private mutating func concatenation() throws -> Expression {
        let line = current.line
        var values = [try product()]
        while skip(.symbol("~")) { values.append(try product()) }
        return values.count == 1 ? values[0] : .concatenation(values, line: line)
    }

    private mutating func product() throws -> Expression {
        try chain([.multiply, .divide, .floorDivide, .remainder]) { parser in
            try parser.chain([.power]) { try $0.signed() }
        }
    }

    /// Operators of one precedence, applied from the left.
    private mutating func chain(
        _ operators: [ArithmeticOperator], _ operand: (inout Parser) throws -> Expression
    ) throws -> Expression {
        let line = current.line
        let first = try operand(&self)
        var rest: [(sign: ArithmeticOperator, operand: Expression)] = []
        while case .symbol(let symbol) = current.kind, let op = ArithmeticOperator(rawValue: symbol),
            operators.contains(op)
        {
            skip()
            rest.append((op, try operand(&self)))
        }
        return rest.isEmpty ? first : .arithmetic(first, rest, line: line)
    }

    private mutating func signed(withFilters: Bool = true) throws -> Expression {
        let line = current.line
        var value: Expression
        if skip(.symbol("-")) {
            value = .negative(try nested { try $0.signed(withFilters: false) }, line: line)
        } else if skip(.symbol("+")) {
            value = .positive(try nested { try $0.signed(withFilters: false) }, line: line)
        } else {
            value = try primary()
        }
        value = try postfixes(of: value)
        return withFilters ? try filtersAndTests(of: value) : value
    }

    mutating func primary() throws -> Expression {
        let token = current
        switch token.kind {
        case .name(let name):
            skip()
            switch name {
            case "true", "True": return .bool(true)
            case "false", "False": return .bool(false)
            case "none", "None": return .none
            default: return .name(symbol(name))
            }
        case .string(var bytes):
            skip()
            while case .string(let more) = current.kind {
                bytes += more
                skip()
            }
            return .text(Text(bytes))
        case .integer(let value):
            skip()
            return .integer(value)
        case .float(let value):
            skip()
            return .float(value)
        case .symbol("("):
            skip()
            let value = try tupleOrExpression(inParentheses: true)
            try expect(.symbol(")"))
            return value
        case .symbol("["):
            skip()
            return .list(try items(until: "]") { try $0.expression() })
        case .symbol("{"):
            skip()
            let pairs = try items(until: "}") { parser in
                let key = try parser.expression()
                try parser.expect(.symbol(":"))
                return (key: key, value: try parser.expression())
            }
            return .dictionary(pairs, line: token.line)
        default: throw fault("unexpected \(token.description)")
        }
    }

    /// Items separated by commas, with or without one after the last, up to a closing bracket, which is consumed.
    mutating func items<Item>(
        until end: String, _ item: (inout Parser) throws -> Item
    ) throws -> [Item] {
        var items: [Item] = []
        while current.kind != .symbol(end) {
            if !items.isEmpty { try expect(.symbol(",")) }
            if current.kind == .symbol(end) { break }
            items.append(try item(&self))
        }
        skip()
        return items
    }

    mutating func postfixes(of value: Expression) throws -> Expression {
        var value = value
        var links = 0
        while true {
            let line = current.line
            switch current.kind {
            case .symbol("."):
                skip()
                switch current.kind {
                case .name(let name): value = .attribute(value, AttributeName(Text(name)), line: line)
                case .integer(let index): value = .item(value, .integer(index), line: line)
                default: throw fault("expected a name or a number after '.', found \(current.description)")
                }
                skip()
            case .symbol("["):
                skip()
                value = try subscripted(value, line: line)
            case .symbol("("):
                value = .call(value, try arguments(), line: line)
            default: return value
            }
            try count(&links)
        }
    }

    func count(_ links: inout Int) throws {
        links += 1
        guard links <= Limits.nesting else { throw fault("more than \(Limits.nesting) links in one chain") }
    }

    private mutating func subscripted(_ value: Expression, line: Int) throws -> Expression {
        func isEnd(_ parser: Parser) -> Bool {
            parser.current.kind == .symbol("]") || parser.current.kind == .symbol(":")
        }
        let first = isEnd(self) ? nil : try expression()
        if skip(.symbol(":")) {
            let end = isEnd(self) ? nil : try expression()
            let step = skip(.symbol(":")) && !isEnd(self) ? try expression() : nil
            try expect(.symbol("]"))
            return .slice(value, from: first, to: end, step: step, line: line)
        }
        guard let first else { throw fault("expected an index, found \(current.description)") }
        guard current.kind == .symbol(",") else {
            try expect(.symbol("]"))
            return .item(value, first, line: line)
        }
        skip()
        return .item(value, .tuple([first] + (try items(until: "]") { try $0.expression() })), line: line)
    }
}
