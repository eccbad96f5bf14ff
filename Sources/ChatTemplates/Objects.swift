/// What `namespace()` makes: the only value that a template can change.
final class Namespace {
    private var values: [Text: Value] = [:]

    subscript(name: Text) -> Value? {
        get { values[name] }
        set { values[name] = newValue }
    }

    func removeAll() { values = [:] }
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
    /// Where each symbol is, once there are many.
    private var index: [Symbol: Int] = [:]

    init(parent: Scope?) { self.parent = parent }

    private func position(of symbol: Symbol) -> Int? {
        index.isEmpty ? symbols.firstIndex(of: symbol) : index[symbol]
    }

    func value(of symbol: Symbol) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let position = current.position(of: symbol) { return current.values[position] }
            scope = current.parent
        }
        return nil
    }

    func set(_ symbol: Symbol, to value: Value) {
        if let position = position(of: symbol) {
            values[position] = value
            return
        }
        symbols.append(symbol)
        values.append(value)
        if !index.isEmpty {
            index[symbol] = symbols.count - 1
        } else if symbols.count > 32 {
            for (position, symbol) in symbols.enumerated() { index[symbol] = position }
        }
    }

    func removeAll() {
        symbols = []
        values = []
        index = [:]
    }
}
