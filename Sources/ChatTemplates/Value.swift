/// A value of the template language, with Python's meaning.
enum Value {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case text(Text)
    case list(List)
    case tuple(List)
    case table(Table)
    case range(StepRange)
    /// What `items()`, `keys()` and `values()` return.
    case view(View)
    /// What lazy filters (`map`, `select`, …) return.
    case iterator(Iterator)
    case namespace(Namespace)
    case loop(Loop)
    case cycler(Cycler)
    case joiner(Joiner)
    case function(Function)
    case method(Method)
    case macro(Macro)

    init(_ string: String) { self = .text(Text(string)) }

    /// The name of Python's type, as messages put it.
    var kind: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .double: "float"
        case .text: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .table: "dict"
        case .range: "range"
        case .view(let view): view.kind.rawValue
        case .iterator: "generator"
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .cycler: "Cycler"
        case .joiner: "Joiner"
        case .function: "function"
        case .method: "method"
        case .macro: "Macro"
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .double(let value): value != 0
        case .text(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.elements.isEmpty
        case .table(let table): table.count > 0
        case .range(let range): range.count > 0
        case .view(let view): !view.elements.isEmpty
        case .iterator, .namespace, .loop, .cycler, .joiner, .function, .method, .macro: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// What handling the value costs, in bytes or elements.
    var size: Int { if case .text(let text) = self { text.count } else { extent.weight } }

    /// How many containers are inside one another, and how many values in all: what `Limits` bounds.
    var extent: (depth: Int, weight: Int) {
        switch self {
        case .list(let list), .tuple(let list): (list.depth, list.weight)
        case .table(let table): (table.depth, table.weight)
        case .view(let view): (view.list.depth, view.list.weight)
        case .iterator(let iterator): (iterator.list.depth, iterator.list.weight)
        case .cycler(let cycler): (cycler.items.depth, cycler.items.weight)
        case .method(let method): method.receiver.extent
        default: (0, 1)
        }
    }
}

/// Something that is not there: prints as nothing, is false and empty, and may not be used otherwise.
struct Undefined {
    let reason: String
}

/// The elements of a list or tuple.
final class List {
    let elements: [Value]
    let depth: Int
    let weight: Int
    /// The message that the whole list belongs to.
    let source: Source?

    init(_ elements: [Value], source: Source? = nil) throws {
        self.elements = elements
        self.source = source
        (depth, weight) = try List.extent(of: elements)
    }

    static func extent(of elements: some Sequence<Value>) throws -> (depth: Int, weight: Int) {
        var depth = 0
        var weight = 1
        for element in elements {
            let inner = element.extent
            depth = max(depth, inner.depth)
            weight += inner.weight
            guard weight <= Limits.containerWeight else {
                throw Fault("a list or mapping grew beyond \(Limits.containerWeight) values")
            }
        }
        guard depth < Limits.containerDepth else {
            throw Fault("lists and mappings are nested deeper than \(Limits.containerDepth)")
        }
        return (depth + 1, weight)
    }
}

/// A mapping in the order of insertion. Keys are compared as Python does: 1, 1.0 and true are one key.
final class Table {
    let keys: [Value]
    let values: [Value]
    let depth: Int
    let weight: Int
    /// The message that the whole mapping belongs to, or is.
    let source: Source?
    private let index: [HashKey: Int]?
    /// Whether this is a message of the conversation.
    let isMessage: Bool

    /// Later duplicates of a key replace the value of the first.
    init(_ pairs: [(key: Value, value: Value)], source: Source? = nil, isMessage: Bool = false) throws {
        var keys: [Value] = []
        var values: [Value] = []
        var index: [HashKey: Int]?
        if pairs.count > 8 { index = [:] }
        for pair in pairs {
            let key = try HashKey(pair.key)
            let known = index != nil ? index![key] : try keys.firstIndex { try HashKey($0) == key }
            if let known {
                values[known] = pair.value
            } else {
                index?[key] = keys.count
                keys.append(pair.key)
                values.append(pair.value)
            }
        }
        self.keys = keys
        self.values = values
        self.index = index
        self.source = source
        self.isMessage = isMessage
        let (keyDepth, keyWeight) = try List.extent(of: keys)
        let (valueDepth, valueWeight) = try List.extent(of: values)
        depth = max(keyDepth, valueDepth)
        weight = keyWeight + valueWeight
    }

    var count: Int { keys.count }

    /// - Throws: if the key is a list or mapping.
    subscript(key: Value) -> Value? {
        get throws {
            if case .text(let text) = key { return self[text] }
            let key = try HashKey(key)
            if let index { return index[key].map { values[$0] } }
            return try keys.firstIndex { try HashKey($0) == key }.map { values[$0] }
        }
    }

    subscript(key: Text) -> Value? {
        if let index { return index[HashKey(key)].map { values[$0] } }
        for (position, candidate) in keys.enumerated() {
            if case .text(let text) = candidate, text.bytes == key.bytes { return values[position] }
        }
        return nil
    }

    subscript(key: String) -> Value? { self[Text(key)] }
}

/// A value as a key: hashes and compares as Python does.
enum HashKey: Hashable {
    case none
    case integer(Int)
    case double(Double)
    case text([UInt8])
    case tuple([HashKey])

    init(_ text: Text) { self = .text(text.bytes) }

    init(_ value: Value) throws {
        switch value {
        case .none: self = .none
        case .bool(let value): self = .integer(value ? 1 : 0)
        case .int(let value): self = .integer(value)
        case .double(let value): self = Int(exactly: value).map { .integer($0) } ?? .double(value)
        case .text(let text): self = .text(text.bytes)
        case .tuple(let list): self = .tuple(try list.elements.map { try HashKey($0) })
        default: throw Fault("unhashable type: '\(value.kind)'")
        }
    }
}

/// Python's `range`.
struct StepRange: Equatable {
    let start: Int
    let stop: Int
    let step: Int

    init(start: Int, stop: Int, step: Int) throws {
        guard step != 0 else { throw Fault("range() arg 3 must not be zero") }
        guard [start, stop, step].allSatisfy({ $0.magnitude < 1 << 60 }) else { throw Value.overflow }
        self.start = start
        self.stop = stop
        self.step = step
        guard abs(Double(stop) - Double(start)) / abs(Double(step)) <= Double(Limits.range) else {
            throw Fault("range() may not have more than \(Limits.range) elements")
        }
    }

    var count: Int {
        step > 0 ? max(0, (stop - start + step - 1) / step) : max(0, (start - stop - step - 1) / -step)
    }
    var elements: [Value] { (0..<count).map { .int(start + $0 * step) } }
}

/// What a mapping's `items()`, `keys()` or `values()` returns.
final class View {
    enum Kind: String {
        case items = "dict_items"
        case keys = "dict_keys"
        case values = "dict_values"
    }
    let kind: Kind
    let list: List
    var elements: [Value] { list.elements }

    init(_ kind: Kind, of table: Table) throws {
        self.kind = kind
        switch kind {
        case .items: list = try List(zip(table.keys, table.values).map { .tuple(try List([$0, $1])) })
        case .keys: list = try List(table.keys)
        case .values: list = try List(table.values)
        }
    }
}

/// A sequence that can be gone through once, and has no length.
final class Iterator {
    fileprivate(set) var list: List
    private var position = 0

    init(_ elements: [Value]) throws { list = try List(elements) }

    func next() -> Value? {
        guard position < list.elements.count else { return nil }
        position += 1
        return list.elements[position - 1]
    }

    func rest() -> [Value] {
        defer { position = list.elements.count }
        return Array(list.elements[position...])
    }
}

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
