/// A name of a variable, numbered in the order of its first use in the template.
typealias Symbol = Int

/// The attribute of `value.attribute`, looked up once when the template is read.
struct AttributeName: Sendable {
    let key: Text
    let textMethod: TextMethod?
    let tableMethod: TableMethod?
    let listMethod: ListMethod?

    init(_ key: Text) {
        self.key = key
        let name = key.string
        textMethod = TextMethod(rawValue: name)
        tableMethod = TableMethod(rawValue: name)
        listMethod = ListMethod(rawValue: name)
    }
}

/// The arguments of a call, filter or test as written.
struct ArgumentList: Sendable {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
    /// `*list` and `**mapping`.
    var rest: Expression?
    var namedRest: Expression?
}

enum ArithmeticOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// An expression. `line` is where an error in it is reported. Chains of operators of one precedence are lists, so that a
/// long sum is not a deep tree.
indirect enum Expression: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case text(Text)
    case name(Symbol)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)], line: Int)
    case attribute(Expression, AttributeName, line: Int)
    case item(Expression, Expression, line: Int)
    case slice(Expression, from: Expression?, to: Expression?, step: Expression?, line: Int)
    case call(Expression, ArgumentList, line: Int)
    case filter(Expression, Filter, ArgumentList, line: Int)
    case test(Expression, Condition, ArgumentList, line: Int)
    case arithmetic(Expression, [(sign: ArithmeticOperator, operand: Expression)], line: Int)
    case concatenation([Expression], line: Int)
    case comparison(Expression, [(sign: ComparisonOperator, operand: Expression)], line: Int)
    case and([Expression])
    case or([Expression])
    case not(Expression)
    case negative(Expression, line: Int)
    case positive(Expression, line: Int)
    case conditional(Expression, if: Expression, else: Expression?)
    /// The text of the block that a `filter` or `set` block's filters apply to.
    case captured
}

/// What `set`, `for` and `with` assign to.
indirect enum Target: Sendable {
    case name(Symbol)
    case tuple([Target])
    case attribute(namespace: Symbol, AttributeName)
}

/// A macro, or the body of a `call` block.
struct MacroDefinition: Sendable {
    let name: String
    let parameters: [(name: String, symbol: Symbol, fallback: Expression?)]
    let body: [Statement]
    /// Which of the special variables the body mentions: a macro takes extra arguments only if it does.
    let varargs: Symbol?
    let kwargs: Symbol?
    let caller: Symbol?
}

/// A `for` loop.
struct ForLoop: Sendable {
    let target: Target
    let items: Expression
    let condition: Expression?
    let body: [Statement]
    let elseBody: [Statement]
    let line: Int
}

/// What a template does, in order.
indirect enum Statement: Sendable {
    case text(Text)
    case output(Expression, line: Int)
    case branch([(condition: Expression, body: [Statement])], elseBody: [Statement], line: Int)
    case loop(ForLoop)
    case set(Target, Expression, line: Int)
    /// `{% set x %}…{% endset %}`: the expression is `.captured` with its filters.
    case setBlock(Target, Expression, body: [Statement], line: Int)
    case filterBlock(Expression, body: [Statement], line: Int)
    case macro(Symbol, MacroDefinition)
    case callBlock(Expression, ArgumentList, caller: MacroDefinition, line: Int)
    case with([(target: Target, value: Expression)], body: [Statement], line: Int)
    case generation([Statement], line: Int)
    case breakLoop
    case continueLoop
}
