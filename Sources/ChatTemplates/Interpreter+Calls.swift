/// Calls of functions, methods and macros.
extension Interpreter {
    func arguments(_ list: ArgumentList) throws -> Arguments {
        var arguments = Arguments()
        arguments.positional = try list.positional.map { try evaluate($0) }
        arguments.named = try list.named.map { (name: $0.name, value: try evaluate($0.value)) }
        if let rest = list.rest { arguments.positional += try evaluate(rest).iterated() }
        if let namedRest = list.namedRest {
            guard case .table(let table) = try evaluate(namedRest) else { throw Fault("'**' needs a mapping") }
            for (key, value) in zip(table.keys, table.values) {
                arguments.named.append((name: try key.text(for: "a name after '**'").string, value: value))
            }
            guard arguments.named.count <= Limits.names else {
                throw Fault("a call has more than \(Limits.names) named arguments")
            }
        }
        return arguments
    }

    func call(_ function: Value, _ arguments: Arguments) throws -> Value {
        switch function {
        case .undefined(let undefined): throw Fault(undefined.reason)
        case .function(let function): return try call(function, arguments)
        case .macro(let macro):
            // Names and output of its own.
            try step(8)
            return .text(try nested { try call(macro, arguments) })
        case .method(let method):
            switch (method.name, method.receiver) {
            case (.text(let name), .text(let text)): return try name.call(text, arguments)
            case (.table(let name), .table(let table)): return try name.call(table, arguments)
            case (.list(let name), .list(let list)), (.list(let name), .tuple(let list)):
                return try name.call(list, arguments)
            case (.loop(let name), .loop(let loop)): return try name.call(loop, arguments)
            case (.cycler(let name), .cycler(let cycler)): return try name.call(cycler, arguments)
            default: throw Fault("'\(method.receiver.kind)' has no such method")
            }
        case .joiner(let joiner):
            defer { joiner.wasUsed = true }
            return joiner.wasUsed ? joiner.separator : .text(Text())
        case .loop: throw Fault("recursive loops are not supported")
        default: throw Fault("'\(function.kind)' cannot be called")
        }
    }

    private func call(_ function: Function, _ arguments: Arguments) throws -> Value {
        let name = "'\(function.rawValue)'"
        switch function {
        case .raiseException:
            let message = try arguments.bound(to: ["message"], of: name)[0].required("the message")
            throw Fault(try message.printed().string, line: line, isRaisedByTemplate: true)
        case .strftimeNow:
            let format = try arguments.bound(to: ["format"], of: name)[0].required("the format").text(for: "the format")
            guard let date else { throw Fault("the template prints the date, and no date is given for it") }
            return Value(try date.formatted(format.string))
        case .range:
            let bounds = try arguments.bound(to: ["start", "stop", "step"], of: name).compactMap { $0 }
                .map { try $0.integer(for: "a bound of 'range'") }
            guard let first = bounds.first, arguments.named.isEmpty else {
                throw Fault("\(name) needs 1 to 3 integers")
            }
            return .range(
                try StepRange(
                    start: bounds.count > 1 ? first : 0, stop: bounds.count > 1 ? bounds[1] : first,
                    step: bounds.count > 2 ? bounds[2] : 1))
        case .dict: return .table(try table(arguments, of: name))
        case .namespace:
            let namespace = makeNamespace()
            let table = try table(arguments, of: name)
            guard table.count <= Limits.names else {
                throw Fault("a namespace would have more than \(Limits.names) attributes")
            }
            for (key, value) in zip(table.keys, table.values) {
                let key = try key.text(for: "the name of an attribute")
                try Interpreter.check(attribute: key)
                namespace[key] = value
            }
            return .namespace(namespace)
        case .cycler:
            guard !arguments.positional.isEmpty, arguments.named.isEmpty else { throw Fault("\(name) needs values") }
            return .cycler(try Cycler(arguments.positional))
        case .joiner: return .joiner(Joiner(try arguments.bound(to: ["sep"], of: name)[0] ?? Value(", ")))
        }
    }

    /// What Python's `dict(…)` makes: of a mapping or pairs, and of named values.
    private func table(_ arguments: Arguments, of name: String) throws -> Table {
        guard arguments.positional.count <= 1 else { throw Fault("\(name) takes one mapping at most") }
        var pairs: [(key: Value, value: Value)] = []
        switch arguments.positional.first {
        case nil: break
        case .some(.table(let table)): pairs = zip(table.keys, table.values).map { (key: $0, value: $1) }
        case .some(let value):
            pairs = try value.iterated().map { item in
                let pair = try item.iterated()
                guard pair.count == 2 else { throw Fault("\(name) needs a mapping or pairs") }
                return (key: pair[0], value: pair[1])
            }
        }
        return try Table(pairs + arguments.named.map { (key: Value($0.name), value: $0.value) })
    }

    private func call(_ macro: Macro, _ arguments: Arguments) throws -> Text {
        let definition = macro.definition
        let inner = Scope(parent: macro.scope)
        var named = arguments.named
        func take(_ name: String) -> Value? {
            named.firstIndex { $0.name == name }.map { named.remove(at: $0).value }
        }
        var missing: [(symbol: Symbol, name: String, fallback: Expression?)] = []
        for (position, parameter) in definition.parameters.enumerated() {
            if position < arguments.positional.count {
                inner.set(parameter.symbol, to: arguments.positional[position])
            } else if let value = take(parameter.name) {
                inner.set(parameter.symbol, to: value)
            } else {
                missing.append((parameter.symbol, parameter.name, parameter.fallback))
            }
        }
        if let symbol = definition.caller {
            inner.set(symbol, to: take("caller") ?? .undefined(Undefined(reason: "no caller is defined")))
        }
        if let symbol = definition.kwargs {
            inner.set(symbol, to: .table(try Table(named.map { (key: Value($0.name), value: $0.value) })))
        } else if let first = named.first {
            throw Fault("the macro '\(definition.name)' has no parameter '\(first.name)'")
        }
        let rest = arguments.positional.dropFirst(definition.parameters.count)
        if let symbol = definition.varargs {
            inner.set(symbol, to: .tuple(try List(Array(rest))))
        } else if !rest.isEmpty {
            throw Fault("the macro '\(definition.name)' takes at most \(definition.parameters.count) arguments")
        }
        for (symbol, name, fallback) in missing {
            guard let fallback else {
                inner.set(symbol, to: .undefined(Undefined(reason: "parameter '\(name)' was not provided")))
                continue
            }
            inner.set(symbol, to: try evaluate(fallback, in: inner))
        }
        return try capture(definition.body, in: inner)
    }

    private func evaluate(_ expression: Expression, in inner: Scope) throws -> Value {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try evaluate(expression)
    }
}
