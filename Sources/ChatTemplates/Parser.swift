/// Reads a template's tokens into statements. `Parser+Expressions.swift` reads the expressions.
struct Parser {
    private let tokens: [Token]
    private var position = 0
    /// Blocks and parentheses that are open.
    var nesting = 0
    /// Loops around this place that `break` and `continue` can reach.
    private var loops = 0
    private(set) var symbols: [String: Symbol] = ["loop": ReservedSymbol.loop]
    /// Names that the bodies of the open macros use.
    private var namesInMacros: [Set<String>] = []
    private(set) var usesGenerationBlocks = false

    init(_ tokens: [Token]) { self.tokens = tokens }

    /// All statements up to the end of the template.
    mutating func template() throws -> [Statement] {
        let (body, end) = try statements(until: [])
        if end != nil { throw fault("unexpected end of a block") }
        return body
    }

    // MARK: tokens

    var current: Token { tokens[position] }
    var following: Token { tokens[min(position + 1, tokens.count - 1)] }
    mutating func skip() { if position < tokens.count - 1 { position += 1 } }
    func fault(_ reason: String) -> Fault { Fault(reason, line: current.line) }

    mutating func skip(_ kind: Token.Kind) -> Bool {
        guard current.kind == kind else { return false }
        skip()
        return true
    }

    mutating func expect(_ kind: Token.Kind) throws {
        guard skip(kind) else {
            throw fault("expected \(Token(kind: kind, line: 0).description), found \(current.description)")
        }
    }

    mutating func name() throws -> String {
        guard case .name(let name) = current.kind else { throw fault("expected a name, found \(current.description)") }
        skip()
        return name
    }

    mutating func nested<Result>(_ body: (inout Parser) throws -> Result) throws -> Result {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Limits.nesting else { throw fault("nested deeper than \(Limits.nesting)") }
        return try body(&self)
    }

    mutating func symbol(_ name: String) -> Symbol {
        for i in namesInMacros.indices { namesInMacros[i].insert(name) }
        if let symbol = symbols[name] { return symbol }
        symbols[name] = symbols.count
        return symbols.count - 1
    }

    // MARK: statements

    /// Statements up to one of the tags `ends`, whose name is consumed; the rest of that tag is not.
    private mutating func statements(until ends: Set<String>) throws -> ([Statement], end: String?) {
        let first = current.line
        var body: [Statement] = []
        while true {
            switch current.kind {
            case .data(let bytes):
                body.append(.text(Text(bytes)))
                skip()
            case .variableBegin:
                let line = current.line
                skip()
                body.append(.output(try tupleOrExpression(), line: line))
                try expect(.variableEnd)
            case .blockBegin:
                skip()
                let line = current.line
                let tag = try self.name()
                if ends.contains(tag) { return (body, tag) }
                body.append(contentsOf: try nested { try $0.statement(tag, line: line, ends: ends) })
                try expect(.blockEnd)
            case .end:
                guard ends.isEmpty else {
                    let missing = ends.sorted().map { "'\($0)'" }.joined(separator: " or ")
                    throw fault("the template ends without \(missing) for the block that begins at line \(first)")
                }
                return (body, nil)
            default: throw fault("unexpected \(current.description)")
            }
        }
    }

    /// The body of a block: from the end of its first tag to one of `ends`.
    private mutating func body(until ends: String...) throws -> ([Statement], end: String) {
        _ = skip(.symbol(":"))
        try expect(.blockEnd)
        let (body, end) = try statements(until: Set(ends))
        return (body, end ?? "")
    }

    /// The statement of a tag whose name has been read.
    private mutating func statement(_ tag: String, line: Int, ends: Set<String>) throws -> [Statement] {
        switch tag {
        case "if": return [try branch(line)]
        case "for": return [try forLoop(line)]
        case "set": return [try set(line)]
        case "macro":
            let name = try self.name()
            let symbol = self.symbol(name)
            return [.macro(symbol, try macro(name, hasParameters: true, end: "endmacro"))]
        case "call": return [try callBlock(line)]
        case "filter":
            let (filter, arguments) = try filterAndArguments()
            let value = try filters(of: .filter(.captured, filter, arguments, line: line))
            return [.filterBlock(value, body: try outsideLoops { try $0.body(until: "endfilter").0 }, line: line)]
        case "with": return [try with(line)]
        case "generation":
            usesGenerationBlocks = true
            return [.generation(try outsideLoops { try $0.body(until: "endgeneration").0 }, line: line)]
        case "print":
            var values = [Statement.output(try expression(), line: line)]
            while skip(.symbol(",")) { values.append(.output(try expression(), line: line)) }
            return values
        case "break", "continue":
            guard loops > 0 else { throw Fault("'\(tag)' outside of a loop", line: line) }
            return [tag == "break" ? .breakLoop : .continueLoop]
        case "block", "extends", "include", "import", "from", "autoescape":
            throw Fault("the tag '\(tag)' has no use in a chat template and is not supported", line: line)
        default:
            let expected = ends.sorted().map { "'\($0)'" }.joined(separator: " or ")
            throw Fault("unknown tag '\(tag)'" + (ends.isEmpty ? "" : ", expected \(expected)"), line: line)
        }
    }

    /// Reads something that Jinja compiles to a function of its own, which `break` and `continue` cannot leave.
    private mutating func outsideLoops<Result>(_ body: (inout Parser) throws -> Result) rethrows -> Result {
        let outer = loops
        loops = 0
        defer { loops = outer }
        return try body(&self)
    }

    private mutating func branch(_ line: Int) throws -> Statement {
        var branches: [(condition: Expression, body: [Statement])] = []
        while true {
            let condition = try tupleOrExpression(allowsConditional: false)
            let (body, end) = try self.body(until: "elif", "else", "endif")
            branches.append((condition, body))
            if end == "elif" { continue }
            let elseBody = end == "else" ? try self.body(until: "endif").0 : []
            return .branch(branches, elseBody: elseBody, line: line)
        }
    }

    private mutating func forLoop(_ line: Int) throws -> Statement {
        let target = try self.target(allowsNamespace: false)
        try expect(.name("in"))
        let items = try tupleOrExpression(allowsConditional: false, endsBefore: "recursive")
        let condition = skip(.name("if")) ? try expression() : nil
        if skip(.name("recursive")) { throw Fault("recursive loops are not supported", line: line) }
        loops += 1
        let result = Result { try self.body(until: "else", "endfor") }
        loops -= 1
        let (body, end) = try result.get()
        let elseBody = end == "else" ? try self.body(until: "endfor").0 : []
        return .loop(
            ForLoop(target: target, items: items, condition: condition, body: body, elseBody: elseBody, line: line))
    }

    private mutating func set(_ line: Int) throws -> Statement {
        let target = try self.target(allowsNamespace: true)
        if skip(.symbol("=")) { return .set(target, try tupleOrExpression(), line: line) }
        let value = try filters(of: .captured)
        return .setBlock(target, value, body: try body(until: "endset").0, line: line)
    }

    private mutating func with(_ line: Int) throws -> Statement {
        var values: [(target: Target, value: Expression)] = []
        while current.kind != .blockEnd {
            if !values.isEmpty { try expect(.symbol(",")) }
            let target = try self.target(allowsNamespace: false)
            try expect(.symbol("="))
            values.append((target, try expression()))
        }
        return .with(values, body: try body(until: "endwith").0, line: line)
    }

    private mutating func callBlock(_ line: Int) throws -> Statement {
        let hasParameters = current.kind == .symbol("(")
        let parameters = hasParameters ? try self.parameters() : []
        guard case .call(let callee, let arguments, _) = try expression() else {
            throw Fault("a 'call' block needs a call", line: line)
        }
        let caller = try macro("caller", parameters: parameters, end: "endcall")
        return .callBlock(callee, arguments, caller: caller, line: line)
    }

    private mutating func macro(_ name: String, hasParameters: Bool, end: String) throws -> MacroDefinition {
        try macro(name, parameters: try parameters(), end: end)
    }

    private mutating func macro(
        _ name: String, parameters: [(name: String, symbol: Symbol, fallback: Expression?)], end: String
    ) throws -> MacroDefinition {
        namesInMacros.append([])
        let result = Result { try outsideLoops { try $0.body(until: end).0 } }
        let names = namesInMacros.removeLast()
        let body = try result.get()
        func special(_ special: String) -> Symbol? {
            names.contains(special) && !parameters.contains { $0.name == special } ? symbols[special] : nil
        }
        return MacroDefinition(
            name: name, parameters: parameters, body: body, varargs: special("varargs"), kwargs: special("kwargs"),
            caller: special("caller"))
    }

    private mutating func parameters() throws -> [(name: String, symbol: Symbol, fallback: Expression?)] {
        try expect(.symbol("("))
        var parameters: [(name: String, symbol: Symbol, fallback: Expression?)] = []
        while current.kind != .symbol(")") {
            if !parameters.isEmpty { try expect(.symbol(",")) }
            let name = try self.name()
            let fallback = skip(.symbol("=")) ? try expression() : nil
            if fallback == nil, parameters.last?.fallback != nil {
                throw fault("the parameter '\(name)' without a default follows one with a default")
            }
            parameters.append((name, symbol(name), fallback))
        }
        skip()
        return parameters
    }

    /// A name, names separated by commas, or `namespace.attribute`.
    private mutating func target(allowsNamespace: Bool) throws -> Target {
        var targets: [Target] = []
        var isTuple = false
        repeat {
            if isTuple, current.kind == .name("in") || current.kind == .symbol("=") || current.kind == .symbol(")") {
                break
            }
            if skip(.symbol("(")) {
                targets.append(try nested { try $0.target(allowsNamespace: allowsNamespace) })
                try expect(.symbol(")"))
            } else {
                let name = try self.name()
                guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
                    throw fault("cannot assign to '\(name)'")
                }
                let symbol = self.symbol(name)
                if allowsNamespace, skip(.symbol(".")) {
                    targets.append(.attribute(namespace: symbol, AttributeName(Text(try self.name()))))
                } else {
                    targets.append(.name(symbol))
                }
            }
            isTuple = isTuple || current.kind == .symbol(",")
        } while skip(.symbol(","))
        return isTuple ? .tuple(targets) : targets[0]
    }
}
