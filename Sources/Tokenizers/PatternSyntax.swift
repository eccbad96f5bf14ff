/// A regular expression as parsed.
indirect enum PatternNode {
    case set(ScalarSet)
    case sequence([PatternNode])
    /// The first alternative that lets the whole match succeed is taken.
    case alternation([PatternNode])
    case repeated(PatternNode, min: Int, max: Int?, mode: RepeatMode)
    case lookahead(PatternNode, negative: Bool)
    /// Matched once; never tried another way.
    case atomic(PatternNode)

    enum RepeatMode { case greedy, lazy, possessive }

    /// Whether the node is nothing but empty groups.
    var isEmpty: Bool {
        switch self {
        case .set, .lookahead, .atomic: false
        case .sequence(let nodes): nodes.allSatisfy(\.isEmpty)
        case .alternation(let nodes): nodes.allSatisfy(\.isEmpty)
        case .repeated(let node, _, _, _): node.isEmpty
        }
    }

    /// Whether the node can match the empty text.
    var canBeEmpty: Bool {
        switch self {
        case .set: false
        case .sequence(let nodes): nodes.allSatisfy(\.canBeEmpty)
        case .alternation(let nodes): nodes.contains(where: \.canBeEmpty)
        case .repeated(let node, let min, _, _): min == 0 || node.canBeEmpty
        case .lookahead: true
        case .atomic(let node): node.canBeEmpty
        }
    }
}

/// Why a regular expression is not read.
struct PatternError: Error {
    let reason: String
}

/// Parses the part of Oniguruma's syntax that pre-tokenizers use: literals, classes, `\p{…}`, `\s \d \r \n …`, groups,
/// `(?i:…)`, alternation, `* + ? {m,n}` greedy, lazy or possessive, `(?=…) (?!…) (?>…)`. All else is refused by name.
struct PatternParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var ignoresCase = false
    private var depth = 0

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    static func parse(_ pattern: String) throws(PatternError) -> PatternNode {
        var parser = PatternParser(pattern)
        let node = try parser.alternation()
        if let next = parser.peek { throw parser.error("an unexpected '\(next)'") }
        return node
    }

    private func error(_ what: String) -> PatternError {
        PatternError(reason: "\(what) at character \(position + 1) of the regular expression")
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func next(_ expected: String) throws(PatternError) -> Unicode.Scalar {
        guard let scalar = peek else { throw error("the end where \(expected) is expected") }
        position += 1
        return scalar
    }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    private mutating func alternation() throws(PatternError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw error("groups nested deeper than 64") }
        let outer = ignoresCase
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        ignoresCase = outer
        return branches.count == 1 ? branches[0] : .alternation(branches)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = peek, scalar != "|", scalar != ")" {
            if take("(?i)") {
                ignoresCase = true
                continue
            }
            nodes.append(try quantified(try atom()))
        }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        let scalar = try next("an expression")
        switch scalar {
        case "(": return try group()
        case "[": return .set(try characterClass())
        case ".":
            var set = ScalarSet(0x0A...0x0A)
            set.negate()
            return .set(set)
        case "\\":
            var set = ScalarSet()
            if let literal = try escape(into: &set) { set = try self.literal(literal) }
            return .set(set)
        case "^", "$", "*", "+", "?", "{":
            position -= 1
            throw error("'\(scalar)', which is not read there,")
        default: return .set(try literal(scalar.value))
        }
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        let start = position
        let outer = ignoresCase
        defer { ignoresCase = outer }
        var wrap: (PatternNode) -> PatternNode = { $0 }
        if take("?i:") {
            ignoresCase = true
        } else if take("?-i:") {
            ignoresCase = false
        } else if take("?=") {
            wrap = { .lookahead($0, negative: false) }
        } else if take("?!") {
            wrap = { .lookahead($0, negative: true) }
        } else if take("?>") {
            wrap = { .atomic($0) }
        } else if !take("?:"), peek == "?" {
            position = start
            throw error("a kind of group that is not read")
        }
        let node = try alternation()
        guard take(")") else { throw error("a missing ')'") }
        return wrap(node)
    }

    /// A literal scalar, with its other cases if case is ignored.
    private func literal(_ scalar: UInt32) throws(PatternError) -> ScalarSet {
        var set = ScalarSet(scalar...scalar)
        if ignoresCase { try addCases(of: scalar...scalar, to: &set) }
        return set
    }

    /// Adds what differs only in case: other ASCII letters, long s (U+017F) and the Kelvin sign (U+212A).
    private func addCases(of range: ClosedRange<UInt32>, to set: inout ScalarSet) throws(PatternError) {
        guard range.upperBound < 0x80 else {
            throw error("a non-ASCII character where case is ignored, which is not read,")
        }
        for scalar in range {
            guard let letter = Unicode.Scalar(scalar), letter.properties.isAlphabetic else { continue }
            set.insert(scalar ^ 0x20...scalar ^ 0x20)
            if scalar | 0x20 == 0x73 { set.insert(0x17F...0x17F) }
            if scalar | 0x20 == 0x6B { set.insert(0x212A...0x212A) }
        }
    }

    /// After a backslash: gives a literal, or puts a class into the set.
    private mutating func escape(into set: inout ScalarSet) throws(PatternError) -> UInt32? {
        let scalar = try next("an escape")
        switch scalar {
        case "n": return 0x0A
        case "r": return 0x0D
        case "t": return 0x09
        case "f": return 0x0C
        case "v": return 0x0B
        case "s": set.insertWhiteSpace(negated: false)
        case "S": set.insertWhiteSpace(negated: true)
        case "d": set.insert(categories: GeneralCategory.Nd.mask)
        case "D": set.insert(categories: ~GeneralCategory.Nd.mask)
        case "p", "P": set.insert(categories: try property(negated: scalar == "P"))
        case "u": return try hexadecimal(digits: 4)
        case "x":
            guard take("{") else { return try hexadecimal(digits: 2) }
            let value = try hexadecimal(digits: nil)
            guard take("}") else { throw error("a missing '}'") }
            return value
        case _ where scalar.value < 0x80 && !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar):
            return scalar.value
        default: throw error("the escape \\\(scalar), which is not read,")
        }
        return nil
    }

    private mutating func hexadecimal(digits: Int?) throws(PatternError) -> UInt32 {
        var text = ""
        while text.utf8.count < digits ?? 6, let scalar = peek, scalar.properties.isASCIIHexDigit {
            text.unicodeScalars.append(scalar)
            position += 1
        }
        guard digits == nil || text.utf8.count == digits, let value = UInt32(text, radix: 16),
            Unicode.Scalar(value) != nil
        else { throw error("a wrong hexadecimal number") }
        return value
    }

    private mutating func property(negated: Bool) throws(PatternError) -> UInt32 {
        guard take("{") else { throw error("a missing '{' after \\p") }
        let inverted = take("^") != negated
        var name = ""
        while let scalar = peek, scalar != "}" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard take("}") else { throw error("a missing '}'") }
        guard let mask = GeneralCategory.mask(named: name) else {
            throw error("the property \\p{\(name)}, which is not read (general categories are),")
        }
        if ignoresCase, mask & GeneralCategory.letters != 0, mask & GeneralCategory.letters != GeneralCategory.letters {
            throw error("\\p{\(name)} where case is ignored, which is not read,")
        }
        return inverted ? ~mask : mask
    }

    private mutating func characterClass() throws(PatternError) -> ScalarSet {
        var set = ScalarSet()
        let negated = take("^")
        if peek == "]" { throw error("an empty class") }
        while !take("]") {
            guard let low = try classMember(&set) else { continue }
            var high = low
            if position + 1 < scalars.count, peek == "-", scalars[position + 1] != "]" {
                position += 1
                guard let end = try classMember(&set), end >= low else { throw error("a wrong range") }
                high = end
            }
            set.insert(low...high)
            if ignoresCase { try addCases(of: low...high, to: &set) }
            guard set.ranges.count <= ScalarSet.mostRanges else {
                throw error("a class of more than \(ScalarSet.mostRanges) ranges, which is not read,")
            }
        }
        if negated { set.negate() }
        return set
    }

    /// One member of a class: a literal is returned, a class put into the set.
    private mutating func classMember(_ set: inout ScalarSet) throws(PatternError) -> UInt32? {
        if position + 1 < scalars.count, scalars[position] == "&", scalars[position + 1] == "&" {
            throw error("an intersection of classes, which is not read,")
        }
        let scalar = try next("']'")
        switch scalar {
        case "\\": return try escape(into: &set)
        case "[":
            position -= 1
            throw error("a class within a class, which is not read,")
        default: return scalar.value
        }
    }

    private mutating func quantified(_ atom: PatternNode) throws(PatternError) -> PatternNode {
        var bounds: (min: Int, max: Int?)
        var isInterval = false
        if take("*") {
            bounds = (0, nil)
        } else if take("+") {
            bounds = (1, nil)
        } else if take("?") {
            bounds = (0, 1)
        } else if take("{") {
            bounds = try interval()
            isInterval = true
        } else {
            return atom
        }
        var mode = PatternNode.RepeatMode.greedy
        if !isInterval || bounds.max != bounds.min, take("?") {
            mode = .lazy
        } else if !isInterval, take("+") {
            mode = .possessive
        }
        if let next = peek, ["*", "+", "?", "{"].contains(next) {
            throw error("a quantifier of a quantifier, which is not read,")
        }
        if bounds.max == nil, atom.canBeEmpty {
            throw error("the repetition of an expression that may be empty, which is not read,")
        }
        return .repeated(atom, min: bounds.min, max: bounds.max, mode: mode)
    }

    private mutating func interval() throws(PatternError) -> (min: Int, max: Int?) {
        func number() -> Int? {
            var value: Int?
            while let scalar = peek, ("0"..."9").contains(scalar), value ?? 0 <= 1000 {
                value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
                position += 1
            }
            return value
        }
        let min = number()
        var max = min
        if take(",") { max = number() }
        guard take("}"), min != nil || max != nil, (min ?? 0) <= max ?? .max, max ?? min ?? 0 <= 1000 else {
            throw error("a wrong interval (at most 1000 repetitions are read)")
        }
        return (min ?? 0, max)
    }
}
