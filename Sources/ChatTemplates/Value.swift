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

    /// What going through the value and everything in it costs, in bytes.
    var size: Int { if case .text(let text) = self { text.count } else { 16 * extent.weight } }

    /// What going through the value once costs, in bytes: an element of a list is as much work as some bytes of text.
    var breadth: Int {
        switch self {
        case .text(let text): text.count
        case .list(let list), .tuple(let list): 16 * list.elements.count
        case .table(let table): 16 * table.count
        case .range(let range): 16 * range.count
        case .view(let view): 16 * view.elements.count
        case .iterator(let iterator): 16 * iterator.list.elements.count
        default: 1
        }
    }

    /// How many containers are inside one another, and how many values in all: what `Limits` bounds.
    var extent: (depth: Int, weight: Int) {
        switch self {
        case .list(let list), .tuple(let list): (list.depth, list.weight)
        case .table(let table): (table.depth, table.weight)
        case .view(let view): (view.list.depth, view.list.weight)
        case .iterator(let iterator): (iterator.list.depth, iterator.list.weight)
        case .cycler(let cycler): (cycler.items.depth, cycler.items.weight)
        case .method(let method): method.receiver.extent
        case .text(let text): (0, 1 + text.count / 16)
        default: (0, 1)
        }
    }
}

/// Something that is not there: prints as nothing, is false and empty, and may not be used otherwise.
struct Undefined {
    let reason: String
}
