/// A piece of a template's source.
struct Token {
    enum Kind: Equatable {
        /// Text outside of tags, white-space control applied.
        case data([UInt8])
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string([UInt8])
        case integer(Int)
        case float(Double)
        case symbol(String)
        case end
    }
    let kind: Kind
    let line: Int

    /// The token as messages name it.
    var description: String {
        switch kind {
        case .data: "text"
        case .variableBegin: "'{{'"
        case .variableEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer, .float: "a number"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the template"
        }
    }
}

/// Cuts a template's source into tokens as Jinja does with `trim_blocks`, `lstrip_blocks` and without
/// `keep_trailing_newline`: the line break after a block tag or comment goes, so does the indentation before one, `-`
/// takes all white space on its side, `+` keeps it, and one line break at the end of the source is dropped.
struct Lexer {
    private let source: [UInt8]
    private var position = 0
    private var line = 1
    private var tokens: [Token] = []

    /// The tokens of a source, `.end` last.
    static func tokens(of source: String) throws -> [Token] {
        var lexer = Lexer(source)
        try lexer.run()
        lexer.emit(.end)
        return lexer.tokens
    }

    private init(_ source: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count)
        var previous: UInt8 = 0
        for byte in source.utf8 {
            if byte == UInt8(ascii: "\r") {
                bytes.append(UInt8(ascii: "\n"))
            } else if !(byte == UInt8(ascii: "\n") && previous == UInt8(ascii: "\r")) {
                bytes.append(byte)
            }
            previous = byte
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        self.source = bytes
    }

    private mutating func emit(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    private mutating func advance(to offset: Int) {
        for i in position..<offset where source[i] == UInt8(ascii: "\n") { line += 1 }
        position = offset
    }

    private func has(_ text: StaticString, at offset: Int) -> Bool {
        let text = Array(text.description.utf8)
        return offset + text.count <= source.count && source[offset..<offset + text.count].elementsEqual(text)
    }

    private mutating func run() throws {
        while position < source.count {
            guard let tag = (position..<max(source.count - 1, position)).first(where: isTagStart) else {
                emit(.data(Array(source[position...])))
                advance(to: source.count)
                return
            }
            var inside = tag + 2
            let sign: UInt8? =
                inside < source.count && (source[inside] == 0x2D || source[inside] == 0x2B) ? source[inside] : nil
            if sign != nil { inside += 1 }
            data(upTo: tag, sign: sign, isVariable: source[tag + 1] == UInt8(ascii: "{"))
            if let raw = rawStart(inside), source[tag + 1] == UInt8(ascii: "%") {
                advance(to: raw)
                try rawBlock()
                continue
            }
            advance(to: inside)
            switch source[tag + 1] {
            case UInt8(ascii: "#"): try comment()
            case UInt8(ascii: "%"): try self.tag(begin: .blockBegin, end: .blockEnd)
            default: try self.tag(begin: .variableBegin, end: .variableEnd)
            }
        }
    }

    private func isTagStart(_ offset: Int) -> Bool {
        guard source[offset] == UInt8(ascii: "{") else { return false }
        let next = source[offset + 1]
        return next == UInt8(ascii: "{") || next == UInt8(ascii: "%") || next == UInt8(ascii: "#")
    }

    /// Emits the text up to a tag, stripped as the tag's sign and `lstrip_blocks` say.
    private mutating func data(upTo end: Int, sign: UInt8?, isVariable: Bool) {
        var stop = end
        if sign == UInt8(ascii: "-") {
            stop = Whitespace.start(in: source, before: end, from: position)
        } else if sign == nil && !isVariable {
            let lineStart = source[position..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
            let isAtLineStart = position == 0 || source[position - 1] == UInt8(ascii: "\n")
            if let start = lineStart ?? (isAtLineStart ? position : nil),
                Whitespace.start(in: source, before: end, from: start) == start
            {
                stop = start
            }
        }
        if stop > position { emit(.data(Array(source[position..<stop]))) }
        advance(to: end)
    }

    /// The offset after `raw %}`, if that is what follows `{%`.
    private func rawStart(_ offset: Int) -> Int? {
        var offset = Whitespace.end(in: source, from: offset)
        guard has("raw", at: offset) else { return nil }
        offset = Whitespace.end(in: source, from: offset + 3)
        if has("-%}", at: offset) { return Whitespace.end(in: source, from: offset + 3) }
        return has("%}", at: offset) ? offset + 2 : nil
    }

    private mutating func rawBlock() throws {
        let first = line
        var offset = position
        while offset < source.count {
            if has("{%", at: offset) {
                let hasSign = has("-", at: offset + 2) || has("+", at: offset + 2)
                let name = Whitespace.end(in: source, from: offset + (hasSign ? 3 : 2))
                if has("endraw", at: name),
                    let end = tagEnd("%}", at: Whitespace.end(in: source, from: name + 6), trims: true)
                {
                    data(upTo: offset, sign: hasSign ? source[offset + 2] : nil, isVariable: false)
                    advance(to: end)
                    return
                }
            }
            offset += 1
        }
        throw Fault("the 'raw' block that begins here has no 'endraw'", line: first)
    }

    private mutating func comment() throws {
        var offset = position
        while offset < source.count {
            if let end = tagEnd("#}", at: offset, trims: true) {
                advance(to: end)
                return
            }
            offset += 1
        }
        throw Fault("the comment that begins here has no '#}'", line: line)
    }

    /// The offset after an end of tag with its white-space control, if one is at `offset`.
    private func tagEnd(_ text: StaticString, at offset: Int, trims: Bool) -> Int? {
        if has("-", at: offset), has(text, at: offset + 1) { return Whitespace.end(in: source, from: offset + 3) }
        if trims, has("+", at: offset), has(text, at: offset + 1) { return offset + 3 }
        guard has(text, at: offset) else { return nil }
        return trims && has("\n", at: offset + 2) ? offset + 3 : offset + 2
    }

    /// The tokens of one `{{ … }}` or `{% … %}`.
    private mutating func tag(begin: Token.Kind, end: Token.Kind) throws {
        emit(begin)
        var brackets: [UInt8] = []
        while position < source.count {
            let isBlock = end == .blockEnd
            if brackets.isEmpty, let stop = tagEnd(isBlock ? "%}" : "}}", at: position, trims: isBlock) {
                emit(end)
                advance(to: stop)
                return
            }
            let width = Whitespace.width(in: source, at: position)
            if width > 0 {
                advance(to: position + width)
            } else if let (kind, stop) = try literal() {
                emit(kind)
                advance(to: stop)
            } else {
                let symbol = try self.symbol(&brackets)
                emit(.symbol(symbol))
                advance(to: position + symbol.utf8.count)
            }
        }
    }

    private static let symbols: [(StaticString, String)] = [
        ("//", "//"), ("**", "**"), ("==", "=="), ("!=", "!="), (">=", ">="), ("<=", "<="),
    ]

    private func symbol(_ brackets: inout [UInt8]) throws -> String {
        for (text, symbol) in Lexer.symbols where has(text, at: position) { return symbol }
        let byte = source[position]
        switch byte {
        case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
        case UInt8(ascii: "["): brackets.append(UInt8(ascii: "]"))
        case UInt8(ascii: "{"): brackets.append(UInt8(ascii: "}"))
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
            guard let expected = brackets.popLast() else { throw fault("unexpected '\(Unicode.Scalar(byte))'") }
            guard byte == expected else {
                throw fault("unexpected '\(Unicode.Scalar(byte))', expected '\(Unicode.Scalar(expected))'")
            }
        case let byte where "+-/*%~<>=.:|,;".utf8.contains(byte): break
        default:
            let rest = String(decoding: source[position..<min(position + 4, source.count)], as: UTF8.self)
            throw fault("unexpected character '\(rest.unicodeScalars.first!)'")
        }
        return String(Unicode.Scalar(byte))
    }

    private func fault(_ reason: String) -> Fault { Fault(reason, line: line) }

    /// A number, a name or a string at the current position, and the offset after it.
    private func literal() throws -> (Token.Kind, Int)? {
        let byte = source[position]
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try Literals.number(in: source, at: position, line: line)
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
            var end = position + 1
            while end < source.count, source[end] != byte { end += source[end] == UInt8(ascii: "\\") ? 2 : 1 }
            guard end < source.count else { throw fault("a string has no closing quote") }
            return (.string(try Literals.unescape(source[position + 1..<end], line: line)), end + 1)
        default:
            var end = position
            while let (scalar, width) = Literals.scalar(in: source, at: end),
                scalar == "_" || (end == position ? scalar.properties.isXIDStart : scalar.properties.isXIDContinue)
            {
                end += width
            }
            if end == position { return nil }
            return (.name(String(decoding: source[position..<end], as: UTF8.self)), end)
        }
    }
}
