/// The well-known regular expressions of byte-level tokenizers, written out by hand; equal to `Pattern` on `source`.
struct WordSplitter: Sendable {
    enum Style: Sendable {
        /// Digits in one run, with a space before it; contractions in lower case.
        case gpt2
        /// Digits in groups of at most `digits`, contractions in any case, punctuation takes the line ends after it.
        case llama3(digits: Int)
    }

    private let style: Style
    private let classes = UnicodeClasses.shared

    /// What an expression asks about a scalar.
    private enum Kind: UInt8 {
        case letter, number, space, other
    }

    /// By byte below 0x80.
    private let asciiKinds: [Kind]

    init(_ style: Style) {
        self.style = style
        let classes = UnicodeClasses.shared
        asciiKinds = (0..<0x80).map { Self.kind(of: $0, classes) }
    }

    /// The splitter that does the same as the regular expression, if there is one.
    init?(source: String) {
        for style in [Style.gpt2, .llama3(digits: 3), .llama3(digits: 1)]
        where Self.source(of: style).utf8.elementsEqual(source.utf8) {
            self.init(style)
            return
        }
        return nil
    }

    /// The regular expression.
    static func source(of style: Style) -> String {
        switch style {
        case .gpt2: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .llama3(let digits):
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + (digits == 1 ? "" : "{1,\(digits)}")
                + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        }
    }

    private static func kind(of scalar: UInt32, _ classes: UnicodeClasses) -> Kind {
        let mask = classes.categoryMask(scalar)
        if mask & GeneralCategory.letters != 0 { return .letter }
        if mask & GeneralCategory.numbers != 0 { return .number }
        return classes.isWhiteSpace(scalar) ? .space : .other
    }

    @inline(__always) private func look(_ text: [UInt8], _ position: Int) -> (kind: Kind, count: Int) {
        let byte = text[position]
        if byte < 0x80 { return (asciiKinds[Int(byte)], 1) }
        let scalar = decodeScalar(text, position)
        return (Self.kind(of: scalar.value, classes), scalar.count)
    }

    /// The end of the run of one kind that begins at `position`.
    @inline(__always)
    private func run(_ text: [UInt8], _ position: Int, _ limit: Int, _ kind: Kind, atMost: Int = .max) -> Int {
        var position = position
        var count = 0
        while position < limit, count < atMost {
            let next = look(text, position)
            guard next.kind == kind else { break }
            position += next.count
            count += 1
        }
        return position
    }

    /// Cuts a piece into words, which together cover it.
    func split(_ text: [UInt8], _ piece: Range<Int>, into words: inout [Range<Int>]) {
        var position = piece.lowerBound
        while position < piece.upperBound {
            let end =
                switch style {
                case .gpt2: gpt2Word(text, position, piece.upperBound)
                case .llama3(let digits): llama3Word(text, position, piece.upperBound, digits)
                }
            words.append(position..<end)
            position = end
        }
    }

    private func gpt2Word(_ text: [UInt8], _ start: Int, _ limit: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = contraction(text, start, limit, anyCase: false) { return end }
        let word = text[start] == 0x20 && start + 1 < limit ? start + 1 : start
        let kind = look(text, word).kind
        return kind == .space ? spaces(text, start, limit) : run(text, word, limit, kind)
    }

    private func llama3Word(_ text: [UInt8], _ start: Int, _ limit: Int, _ digits: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = contraction(text, start, limit, anyCase: true) { return end }
        let first = look(text, start)
        switch first.kind {
        case .letter: return run(text, start, limit, .letter)
        case .number: return run(text, start, limit, .number, atMost: digits)
        case .space, .other:
            let next = start + first.count
            if next < limit, !isLineEnd(text[start]), look(text, next).kind == .letter {
                return run(text, next, limit, .letter)
            }
            if first.kind == .other { return lineEnds(text, run(text, next, limit, .other), limit) }
            if text[start] == 0x20, next < limit, look(text, next).kind == .other {
                return lineEnds(text, run(text, next, limit, .other), limit)
            }
            let end = run(text, start, limit, .space)
            if let last = text[start..<end].lastIndex(where: isLineEnd) { return last + 1 }
            return spaces(text, start, limit)
        }
    }

    @inline(__always) private func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    private func lineEnds(_ text: [UInt8], _ position: Int, _ limit: Int) -> Int {
        var position = position
        while position < limit, isLineEnd(text[position]) { position += 1 }
        return position
    }

    /// White space up to the end of the text, or all but the last scalar of it if more than one is there.
    private func spaces(_ text: [UInt8], _ start: Int, _ limit: Int) -> Int {
        let end = run(text, start, limit, .space)
        if end == limit { return end }
        let last = scalarStart(text, before: end)
        return last > start ? last : end
    }

    /// The end of 's 't 're 've 'm 'll 'd at `start`.
    private func contraction(_ text: [UInt8], _ start: Int, _ limit: Int, anyCase: Bool) -> Int? {
        func letter(_ position: Int) -> UInt8 {
            guard position < limit else { return 0 }
            let byte = text[position]
            return anyCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        switch (letter(start + 1), letter(start + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (0xC5, 0xBF) where anyCase: return start + 3  // long s
        default: return nil
        }
    }
}
