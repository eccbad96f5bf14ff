/// Filters, tests and the arguments of calls.
extension Parser {
    mutating func filtersAndTests(of value: Expression) throws -> Expression {
        var value = value
        var links = 0
        while true {
            let line = current.line
            switch current.kind {
            case .symbol("|"): value = try filters(of: value)
            case .name("is"):
                skip()
                value = try test(of: value, line: line)
            case .symbol("("): value = .call(value, try arguments(), line: line)
            default: return value
            }
            try count(&links)
        }
    }

    mutating func filters(of value: Expression) throws -> Expression {
        var value = value
        var links = 0
        while current.kind == .symbol("|") {
            let line = current.line
            skip()
            let (filter, arguments) = try filterAndArguments()
            value = .filter(value, filter, arguments, line: line)
            try count(&links)
        }
        return value
    }

    mutating func filterAndArguments() throws -> (Filter, ArgumentList) {
        let line = current.line
        let name = try self.name()
        guard let filter = Filter(name: name) else { throw Fault("unknown filter '\(name)'", line: line) }
        return (filter, current.kind == .symbol("(") ? try arguments() : ArgumentList())
    }

    private mutating func test(of value: Expression, line: Int) throws -> Expression {
        let isNegated = skip(.name("not"))
        let nameLine = current.line
        let name = try self.name()
        guard let condition = Condition(name: name) else { throw Fault("unknown test '\(name)'", line: nameLine) }
        var list = ArgumentList()
        switch current.kind {
        case .symbol("("): list = try arguments()
        case .name("else"), .name("or"), .name("and"): break
        case .name("is"): throw fault("tests with 'is' cannot be chained")
        case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
            list.positional = [try postfixes(of: try primary())]
        default: break
        }
        let result = Expression.test(value, condition, list, line: line)
        return isNegated ? .not(result) : result
    }

    mutating func arguments() throws -> ArgumentList {
        try expect(.symbol("("))
        var list = ArgumentList()
        _ = try items(until: ")") { parser in
            if parser.skip(.symbol("*")) {
                guard list.rest == nil, list.namedRest == nil else { throw parser.fault("unexpected '*' in a call") }
                list.rest = try parser.expression()
            } else if parser.skip(.symbol("**")) {
                guard list.namedRest == nil else { throw parser.fault("unexpected '**' in a call") }
                list.namedRest = try parser.expression()
            } else if case .name(let name) = parser.current.kind, parser.following.kind == .symbol("=") {
                guard list.namedRest == nil else { throw parser.fault("'\(name)=' after '**' in a call") }
                parser.skip()
                parser.skip()
                list.named.append((name, try parser.expression()))
            } else {
                guard list.named.isEmpty, list.rest == nil, list.namedRest == nil else {
                    throw parser.fault("an argument without a name after one with a name")
                }
                list.positional.append(try parser.expression())
            }
        }
        return list
    }
}
