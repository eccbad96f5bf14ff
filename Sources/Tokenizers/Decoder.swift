/// A step from tokens, as the vocabulary spells them, to text.
enum Decoder: Sendable {
    case byteLevel
    case replace([UInt8], with: [UInt8])
    /// `<0x0A>` becomes the byte it names.
    case byteFallback
    /// Joins all tokens into one.
    case fuse
    /// Takes up to so many of a scalar from the start and the end of each token.
    case strip(content: [UInt8], start: Int, stop: Int)
    /// The replacement becomes a space, or nothing in the first token if `dropsFirst`.
    case metaspace(replacement: [UInt8], dropsFirst: Bool)

    /// How many times as long it may make a text.
    var growth: Int {
        switch self {
        case .byteLevel, .byteFallback, .fuse, .strip, .metaspace: 1
        case .replace(let wanted, let content): (content.count + wanted.count - 1) / wanted.count
        }
    }

    func apply(_ tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .byteLevel: return tokens.map { ByteAlphabet.decode($0) ?? $0 }
        case .replace(let wanted, let replacement): return tokens.map { Self.replace($0, wanted, replacement) }
        case .byteFallback: return tokens.map { Self.byte(named: $0).map { [$0] } ?? $0 }
        case .fuse: return [Array(tokens.joined())]
        case .strip(let content, let start, let stop): return tokens.map { Self.strip($0, content, start, stop) }
        case .metaspace(let replacement, let dropsFirst):
            return tokens.enumerated().map { index, token in
                Self.replace(token, replacement, index == 0 && dropsFirst ? [] : [0x20])
            }
        }
    }

    private static func replace(_ token: [UInt8], _ wanted: [UInt8], _ replacement: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var done = 0
        Matcher.matches(of: wanted, in: token, 0..<token.count) { match in
            result += token[done..<match.lowerBound] + replacement
            done = match.upperBound
        }
        return result + token[done...]
    }

    /// The byte whose token this is.
    static func byte(named token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    private static func strip(_ token: [UInt8], _ content: [UInt8], _ start: Int, _ stop: Int) -> [UInt8] {
        var rest = token[...]
        var (left, right) = (start, stop)
        while left > 0, rest.starts(with: content) {
            rest = rest.dropFirst(content.count)
            left -= 1
        }
        while right > 0, rest.reversed().starts(with: content.reversed()) {
            rest = rest.dropLast(content.count)
            right -= 1
        }
        return Array(rest)
    }
}
