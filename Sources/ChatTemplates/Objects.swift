/// What `namespace()` makes: the only value that a template can change.
final class Namespace {
    var names: [Text] = []
    var values: [Value] = []

    subscript(name: Text) -> Value? {
        get { names.firstIndex(of: name).map { values[$0] } }
        set {
            guard let newValue else { return }
            if let position = names.firstIndex(of: name) {
                values[position] = newValue
            } else {
                names.append(name)
                values.append(newValue)
            }
        }
    }
}

/// The variable `loop`. The items of a loop with a condition are looked for one by one, since the loop's body may change
/// what the condition says of later ones; `loop.last` looks one item ahead, `loop.length` at all.
final class Loop {
    private(set) var items: [Value] = []
    private let candidates: [Value]
    private var position = 0
    private let condition: ((Value) throws -> Bool)?
    var index = 0
    var changedTo: [Value]?

    init(_ candidates: [Value], condition: ((Value) throws -> Bool)? = nil) {
        self.candidates = candidates
        self.condition = condition
        if condition == nil { items = candidates }
    }

    /// The item at an index, if there is one.
    func item(at index: Int) throws -> Value? {
        if let condition {
            while items.count <= index, position < candidates.count {
                position += 1
                if try condition(candidates[position - 1]) { items.append(candidates[position - 1]) }
            }
        }
        return index < items.count ? items[index] : nil
    }

    func length() throws -> Int {
        _ = try item(at: Int.max)
        return items.count
    }
}

/// What `cycler()` makes.
final class Cycler {
    let items: List
    var position = 0
    init(_ items: [Value]) throws { self.items = try List(items) }
}

/// What `joiner()` makes.
final class Joiner {
    let separator: Value
    var wasUsed = false
    init(_ separator: Value) { self.separator = separator }
}

/// The global functions.
enum Function: String, CaseIterable {
    case range, dict, namespace, cycler, joiner
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
}

/// A method together with the value it was taken from.
final class Method {
    enum Name {
        case text(TextMethod), table(TableMethod), list(ListMethod), loop(LoopMethod), cycler(CyclerMethod)
    }
    let receiver: Value
    let name: Name
    init(_ name: Name, of receiver: Value) {
        self.name = name
        self.receiver = receiver
    }
}

/// A macro with the variables around its definition.
final class Macro {
    let definition: MacroDefinition
    let scope: Scope
    init(_ definition: MacroDefinition, scope: Scope) {
        self.definition = definition
        self.scope = scope
    }
}

/// Variables of one block; blocks inside see them.
final class Scope {
    let parent: Scope?
    private var symbols: [Symbol] = []
    private var values: [Value] = []

    init(parent: Scope?) { self.parent = parent }

    func value(of symbol: Symbol) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let position = current.symbols.firstIndex(of: symbol) { return current.values[position] }
            scope = current.parent
        }
        return nil
    }

    func set(_ symbol: Symbol, to value: Value) {
        if let position = symbols.firstIndex(of: symbol) {
            values[position] = value
        } else {
            symbols.append(symbol)
            values.append(value)
        }
    }

    func removeAll() {
        symbols = []
        values = []
    }
}
