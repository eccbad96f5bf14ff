/// Runs the statements of one template once. `Interpreter+Expressions.swift` has the expressions,
/// `Interpreter+Calls.swift` the calls.
final class Interpreter {
    /// How a list of statements ended.
    private enum Flow {
        case ended, brokeLoop, continuedLoop
    }

    var scope: Scope
    let date: TemplateDate?
    /// The variables' names in the order of their symbols.
    private let names: [String]
    /// The line of what is being done, for errors.
    var line = 1
    /// What the statements have written: the template's output, or a block's while one is captured.
    private var output = Text()
    /// The texts that `.captured` stands for, innermost last.
    var captured: [Text] = []
    private var loops: [Loop] = []
    private var depth = 0
    private let budget: Budget
    private var generations = 0
    private var lastGeneration: Int?
    /// Everything that can refer to itself, to be taken apart at the end.
    private var scopes: [Scope] = []
    private var namespaces: [Namespace] = []

    init(names: [String], scope: Scope, date: TemplateDate?, budget: Budget) {
        self.names = names
        self.budget = budget
        self.scope = scope
        self.date = date
    }

    /// The output of a template's statements.
    func run(_ statements: [Statement]) throws -> Text {
        defer {
            for namespace in namespaces { namespace.removeAll() }
            for scope in scopes { scope.removeAll() }
        }
        _ = try execute(statements)
        return output
    }

    /// Keeps the nesting of Swift's own calls within the stack.
    func nested<Result>(_ body: () throws -> Result) throws -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Limits.depth else {
            throw Fault("expressions, blocks or macro calls nested deeper than \(Limits.depth)")
        }
        return try body()
    }

    /// Counts a text that was made or gone through.
    func charge(_ bytes: Int) throws { try budget.charge(bytes) }

    /// Counts a statement or an expression.
    @inline(__always) func step(_ count: Int = 1) throws { try budget.step(count) }

    func name(of symbol: Symbol) -> String { names[symbol] }

    func makeNamespace() -> Namespace {
        let namespace = Namespace()
        namespaces.append(namespace)
        return namespace
    }

    func makeMacro(_ definition: MacroDefinition) -> Macro {
        scopes.append(scope)
        return Macro(definition, scope: scope)
    }

    /// Runs statements with variables of their own.
    private func inNewScope<Result>(_ body: () throws -> Result) rethrows -> Result {
        let outer = scope
        scope = Scope(parent: outer)
        defer { scope = outer }
        return try body()
    }

    /// What statements write, run with variables of their own.
    func capture(_ statements: [Statement]) throws -> Text {
        let outer = output
        output = Text()
        defer { output = outer }
        _ = try inNewScope { try execute(statements) }
        try charge(output.count)
        return output
    }

    /// Runs a macro's body inside another scope.
    func capture(_ statements: [Statement], in inner: Scope) throws -> Text {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try capture(statements)
    }

    private func write(_ value: Value) throws { try output.append(try value.printed()) }

    private func execute(_ statements: [Statement]) throws -> Flow {
        for statement in statements {
            let flow = try execute(statement)
            if flow != .ended { return flow }
        }
        return .ended
    }

    private func execute(_ statement: Statement) throws -> Flow {
        try step()
        switch statement {
        case .text(let text): try output.append(text)
        case .output(let expression, let line):
            self.line = line
            let value = try evaluate(expression)
            try write(value)
        case .branch(let branches, let elseBody, let line):
            self.line = line
            for branch in branches where try evaluate(branch.condition).isTrue {
                return try nested { try execute(branch.body) }
            }
            return try nested { try execute(elseBody) }
        case .loop(let loop): try nested { try run(loop) }
        case .set(let target, let expression, let line):
            self.line = line
            try assign(try evaluate(expression), to: target)
        case .setBlock(let target, let expression, let body, let line):
            try assign(try filtered(body, by: expression, line: line), to: target)
        case .filterBlock(let expression, let body, let line):
            try write(try filtered(body, by: expression, line: line))
        case .macro(let symbol, let definition): scope.set(symbol, to: .macro(makeMacro(definition)))
        case .callBlock(let callee, let list, let caller, let line):
            self.line = line
            try nested {
                let function = try evaluate(callee)
                var arguments = try self.arguments(list)
                arguments.named.append((name: "caller", value: .macro(makeMacro(caller))))
                self.line = line
                try write(try call(function, arguments))
            }
        case .with(let values, let body, let line):
            self.line = line
            let evaluated = try values.map { try evaluate($0.value) }
            return try nested {
                try inNewScope {
                    for (i, value) in evaluated.enumerated() { try assign(value, to: values[i].target) }
                    return try execute(body)
                }
            }
        case .generation(let body, let line):
            self.line = line
            try nested { try generate(body) }
        case .breakLoop: return .brokeLoop
        case .continueLoop: return .continuedLoop
        }
        return .ended
    }

    private func filtered(_ body: [Statement], by expression: Expression, line: Int) throws -> Value {
        self.line = line
        return try nested {
            captured.append(try capture(body))
            defer { captured.removeLast() }
            self.line = line
            return try evaluate(expression)
        }
    }

    private func assign(_ value: Value, to target: Target) throws {
        switch target {
        case .name(let symbol): scope.set(symbol, to: value)
        case .tuple(let targets):
            let values = try value.iterated()
            guard values.count == targets.count else {
                throw Fault("\(values.count) values cannot be assigned to \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        case .attribute(let symbol, let name):
            guard case .namespace(let namespace)? = scope.value(of: symbol) else {
                throw Fault("an attribute can be set on a namespace only")
            }
            try Interpreter.check(attribute: name.key)
            namespace[name.key] = value
        }
    }

    static func check(attribute name: Text) throws {
        guard !name.hasPrefix(Text("_")) else {
            throw Fault("a namespace cannot have the attribute '\(name.string)': it begins with '_'")
        }
    }

    private func run(_ loop: ForLoop) throws {
        line = loop.line
        let items = try evaluate(loop.items)
        try charge(4 * items.breadth)
        let candidates = try items.iterated()
        let around = scope
        let state =
            if let condition = loop.condition {
                Loop(candidates) { [unowned self] item in
                    try budget.pass()
                    let inner = scope
                    scope = Scope(parent: around)
                    defer { scope = inner }
                    try assign(item, to: loop.target)
                    return try evaluate(condition).isTrue
                }
            } else {
                Loop(candidates)
            }
        guard try state.item(at: 0) != nil else {
            _ = try inNewScope { try execute(loop.elseBody) }
            return
        }
        loops.append(state)
        defer { loops.removeLast() }
        while let item = try state.item(at: state.index) {
            line = loop.line
            try budget.pass()
            let flow = try inNewScope {
                scope.set(ReservedSymbol.loop, to: .loop(state))
                try assign(item, to: loop.target)
                return try execute(loop.body)
            }
            if flow == .brokeLoop { break }
            state.index += 1
        }
    }

    /// A `{% generation %}` block: what it writes belongs to the message of the innermost loop that goes through messages,
    /// else to the message that the text came from, else to that of the block before.
    private func generate(_ body: [Statement]) throws {
        var text = try capture(body)
        var message = lastGeneration ?? generations
        if let found = currentMessage {
            message = found
        } else if case .message(let found)? = text.marks.first?.source {
            message = found
        }
        lastGeneration = message
        generations += 1
        text.mark(from: 0, as: .generation(message))
        try output.append(text)
    }

    private var currentMessage: Int? {
        for loop in loops.reversed() {
            if loop.items.indices.contains(loop.index), case .table(let table) = loop.items[loop.index],
                table.isMessage,
                case .message(let message)? = table.source
            {
                return message
            }
        }
        return nil
    }
}

/// The names that the interpreter itself sets, which have the first symbols.
enum ReservedSymbol {
    static let loop: Symbol = 0
}
