/// A regular expression over UTF-8 text, matched as Oniguruma does: from the left, alternatives in their order.
struct Pattern: Sendable {
    enum Instruction: Sendable {
        /// Takes one scalar of the set.
        case one(Int)
        /// Takes `min` to `max` scalars of the set, as many as there are; gives some back unless possessive.
        case loop(set: Int, min: Int, max: Int, possessive: Bool)
        /// Goes on at the first place, and if that fails at the second.
        case split(Int, Int)
        case jump(Int)
        /// The body follows and ends with `accept`; the rest is at `end`.
        case look(negative: Bool, end: Int)
        case atomic(end: Int)
        case accept
    }

    /// The expression as written.
    let source: String
    private(set) var program: [Instruction] = []
    private(set) var sets: [ScalarSet] = []

    /// - Throws: `PatternError` for syntax that is not read, or if the expression can match the empty text.
    init(_ source: String) throws(PatternError) {
        self.source = source
        let node = try PatternParser.parse(source)
        guard !node.canBeEmpty else { throw PatternError(reason: "the regular expression may match the empty text") }
        try emit(node)
        program.append(.accept)
    }

    private mutating func index(of set: ScalarSet) -> Int {
        sets.append(set)
        return sets.count - 1
    }

    private mutating func emit(_ node: PatternNode) throws(PatternError) {
        guard program.count < 10_000 else { throw PatternError(reason: "the regular expression is too large") }
        switch node {
        case .set(let set): program.append(.one(index(of: set)))
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .alternation(let branches):
            var jumps: [Int] = []
            for branch in branches.dropLast() {
                let split = reserve()
                try emit(branch)
                jumps.append(reserve())
                program[split] = .split(split + 1, program.count)
            }
            try emit(branches[branches.count - 1])
            for jump in jumps { program[jump] = .jump(program.count) }
        case .repeated(.set(let set), let min, let max, let mode) where mode != .lazy:
            program.append(
                .loop(set: index(of: set), min: min, max: max ?? .max, possessive: mode == .possessive))
        case .repeated(let body, let min, let max, .possessive):
            try emit(.atomic(.repeated(body, min: min, max: max, mode: .greedy)))
        case .repeated(let body, let min, let max, let mode):
            try emitRepeat(body, min: min, max: max, lazy: mode == .lazy)
        case .lookahead(let body, let negative):
            let start = reserve()
            try emit(body)
            program.append(.accept)
            program[start] = .look(negative: negative, end: program.count)
        case .atomic(let body):
            let start = reserve()
            try emit(body)
            program.append(.accept)
            program[start] = .atomic(end: program.count)
        }
    }

    private mutating func reserve() -> Int {
        program.append(.accept)
        return program.count - 1
    }

    private mutating func emitRepeat(_ body: PatternNode, min: Int, max: Int?, lazy: Bool) throws(PatternError) {
        // A body without instructions is the same however often it stands there.
        let (min, max) = body.isEmpty ? (0, 0) : (min, max)
        for _ in 0..<min { try emit(body) }
        guard let max else {
            let split = reserve()
            try emit(body)
            program.append(.jump(split))
            program[split] = lazy ? .split(program.count, split + 1) : .split(split + 1, program.count)
            return
        }
        var splits: [Int] = []
        for _ in min..<max {
            splits.append(reserve())
            try emit(body)
        }
        for split in splits {
            program[split] = lazy ? .split(program.count, split + 1) : .split(split + 1, program.count)
        }
    }
}

/// Why a text is not searched to its end: the expression tries too many ways to match it.
struct PatternEffortError: Error {
    let source: String

    var reason: String {
        "the tokenizer's regular expression \(source.prefix(200)) takes too many steps on this text: it can match in too"
            + " many ways"
    }
}

/// Finds matches of a pattern; keeps the stack of places to go back to.
struct PatternMatcher {
    private let pattern: Pattern
    private var stack: [Choice] = []
    /// Steps that may still be done. What backtracks into exponentially many ways uses them up at once; the
    /// expressions of real tokenizers take some ten steps a byte.
    private var steps: Int

    /// A place to go on at if what was tried fails.
    private struct Choice {
        let instruction: Int
        let position: Int
        /// For loops: the scalars from here to `position` may be given back one by one; else equal to `position`.
        let floor: Int
    }

    /// For a text of `count` bytes.
    init(_ pattern: Pattern, count: Int) {
        self.pattern = pattern
        steps = 10_000 + 200 * count
    }

    /// The end of the match that begins at `start`, or nil if there is none. The text ends at `limit`.
    /// - Throws: `PatternEffortError`.
    mutating func match(_ bytes: [UInt8], from start: Int, to limit: Int) throws(PatternEffortError) -> Int? {
        try run(bytes, instruction: 0, from: start, to: limit)
    }

    private mutating func run(
        _ bytes: [UInt8], instruction first: Int, from start: Int, to limit: Int
    ) throws(PatternEffortError) -> Int? {
        let bottom = stack.count
        defer { stack.removeLast(stack.count - bottom) }
        var instruction = first
        var position = start
        while true {
            guard steps > 0 else { throw PatternEffortError(source: pattern.source) }
            steps -= 1
            var failed = false
            switch pattern.program[instruction] {
            case .accept: return position
            case .jump(let target): instruction = target
            case .split(let preferred, let other):
                stack.append(Choice(instruction: other, position: position, floor: position))
                instruction = preferred
            case .one(let set):
                if let next = advance(bytes, position, limit, set) {
                    position = next
                    instruction += 1
                } else {
                    failed = true
                }
            case .loop(let set, let min, let max, let possessive):
                failed = !takeLoop(bytes, &position, limit, (set, min, max), possessive ? nil : instruction + 1)
                instruction += 1
            case .look(let negative, let end):
                failed = (try run(bytes, instruction: instruction + 1, from: position, to: limit) == nil) != negative
                instruction = end
            case .atomic(let end):
                if let next = try run(bytes, instruction: instruction + 1, from: position, to: limit) {
                    position = next
                    instruction = end
                } else {
                    failed = true
                }
            }
            if failed {
                guard stack.count > bottom, let choice = stack.popLast() else { return nil }
                position = choice.position
                instruction = choice.instruction
                if choice.floor < position {
                    position = scalarStart(bytes, before: position)
                    if choice.floor < position {
                        stack.append(Choice(instruction: instruction, position: position, floor: choice.floor))
                    }
                }
            }
        }
    }

    @inline(__always)
    private func advance(_ bytes: [UInt8], _ position: Int, _ limit: Int, _ set: Int) -> Int? {
        guard position < limit else { return nil }
        let scalar = decodeScalar(bytes, position)
        return pattern.sets[set].contains(scalar.value) ? position + scalar.count : nil
    }

    /// Takes as many scalars as the loop allows; the rest of the program, if given, may get some of them back.
    private mutating func takeLoop(
        _ bytes: [UInt8], _ position: inout Int, _ limit: Int, _ loop: (set: Int, min: Int, max: Int), _ rest: Int?
    ) -> Bool {
        var count = 0
        var floor = position
        while count < loop.max, let next = advance(bytes, position, limit, loop.set) {
            position = next
            count += 1
            if count == loop.min { floor = position }
        }
        steps -= count
        guard count >= loop.min else { return false }
        if let rest, floor < position {
            stack.append(Choice(instruction: rest, position: position, floor: floor))
        }
        return true
    }
}
