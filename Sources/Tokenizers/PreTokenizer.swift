/// A step that cuts the text into pieces; the model joins characters only within a piece.
enum PreTokenizer: Sendable {
    /// What becomes of the matches of a splitter.
    enum Behavior: String, Sendable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    /// When `metaspace` puts the replacement before a piece.
    enum PrependScheme: String, Sendable {
        case always, first, never
    }

    case split(Matcher, Behavior, inverted: Bool)
    /// One of the well-known regular expressions, its matches isolated.
    case words(WordSplitter)
    /// Cuts before each mark that follows something else.
    case beforeMarks([UInt8])
    /// Puts a space before each piece that does not begin with one.
    case prefixSpace
    /// Replaces spaces; may prepend the replacement and cut before each.
    case metaspace(replacement: [UInt8], PrependScheme, splits: Bool)

    /// How many times as long it may make a text.
    var growth: Int {
        switch self {
        case .split, .words, .beforeMarks: 1
        case .prefixSpace: 2
        case .metaspace(let replacement, _, _): 1 + replacement.count
        }
    }

    /// - Throws: `PatternEffortError`, of a split at a pattern only.
    func apply(_ text: inout AlignedText, _ pieces: inout [Range<Int>]) throws(PatternEffortError) {
        switch self {
        case .split(let matcher, let behavior, let inverted):
            let bytes = text.bytes
            pieces = try Self.cut(bytes, pieces, matcher, behavior, inverted)
        case .words(let splitter):
            var words: [Range<Int>] = []
            for piece in pieces { splitter.split(text.bytes, piece, into: &words) }
            pieces = words
        case .beforeMarks(let mark):
            var words: [Range<Int>] = []
            for piece in pieces { Self.cut(text.bytes, piece, before: mark, into: &words) }
            pieces = words
        case .prefixSpace:
            Self.rebuild(&text, &pieces) { result, text, piece in
                if text.bytes[piece.lowerBound] != 0x20 {
                    result.appendPrefix([0x20], before: piece.lowerBound, of: text)
                }
                result.append(text, piece)
            }
        case .metaspace(let replacement, let scheme, let splits):
            Self.rebuild(&text, &pieces) { result, text, piece in
                Self.replaceSpaces(replacement, scheme, text, piece, into: &result)
            }
            guard splits else { return }
            let bytes = text.bytes
            pieces = try Self.cut(bytes, pieces, .literal(replacement), .mergedWithNext, false)
        }
    }

    private static func cut(_ text: [UInt8], _ piece: Range<Int>, before mark: [UInt8], into words: inout [Range<Int>])
    {
        var start = piece.lowerBound
        var afterMark = piece.lowerBound
        Matcher.matches(of: mark, in: text, piece) { match in
            if match.lowerBound > afterMark {
                words.append(start..<match.lowerBound)
                start = match.lowerBound
            }
            afterMark = match.upperBound
        }
        words.append(start..<piece.upperBound)
    }

    /// Rewrites each piece by itself.
    private static func rebuild(
        _ text: inout AlignedText, _ pieces: inout [Range<Int>],
        _ body: (inout AlignedText, AlignedText, Range<Int>) -> Void
    ) {
        var result = AlignedText(capacity: pieces.reduce(0) { $0 + 2 * $1.count })
        for index in pieces.indices {
            let start = result.count
            body(&result, text, pieces[index])
            pieces[index] = start..<result.count
        }
        text = result
    }

    private static func replaceSpaces(
        _ replacement: [UInt8], _ scheme: PrependScheme, _ text: AlignedText, _ piece: Range<Int>,
        into result: inout AlignedText
    ) {
        let startsWithIt =
            text.bytes[piece.lowerBound] == 0x20 || text.bytes[piece].starts(with: replacement)
        let prepends =
            switch scheme {
            case .always: !startsWithIt
            case .first: !startsWithIt && text.original(piece).lowerBound == 0
            case .never: false
            }
        if prepends { result.appendPrefix(replacement, before: piece.lowerBound, of: text) }
        var done = piece.lowerBound
        Matcher.matches(of: [0x20], in: text.bytes, piece) { space in
            result.append(text, done..<space.lowerBound)
            result.append(replacement, standingFor: space, of: text)
            done = space.upperBound
        }
        result.append(text, done..<piece.upperBound)
    }

    private static func cut(
        _ text: [UInt8], _ pieces: [Range<Int>], _ matcher: Matcher, _ behavior: Behavior, _ inverted: Bool
    ) throws(PatternEffortError) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for piece in pieces { result += try cut(text, piece, matcher, behavior, inverted) }
        return result
    }

    /// Cuts a piece at the matches in it; empty pieces are left out.
    private static func cut(
        _ text: [UInt8], _ piece: Range<Int>, _ matcher: Matcher, _ behavior: Behavior, _ inverted: Bool
    ) throws(PatternEffortError) -> [Range<Int>] {
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        var done = piece.lowerBound
        try matcher.matches(text, piece) { match in
            if done < match.lowerBound { parts.append((done..<match.lowerBound, inverted)) }
            parts.append((match, !inverted))
            done = match.upperBound
        }
        if done < piece.upperBound { parts.append((done..<piece.upperBound, inverted)) }
        switch behavior {
        case .removed: return parts.filter { !$0.isMatch }.map(\.range)
        case .isolated: return parts.map(\.range)
        case .contiguous: return join(parts) { $0 == $1 }
        case .mergedWithPrevious: return join(parts) { !$0 && $1 }
        case .mergedWithNext: return mergeWithNext(parts)
        }
    }

    /// Joins a part with the one before it where `condition` of (before is a match, this is a match) holds.
    private static func join(
        _ parts: [(range: Range<Int>, isMatch: Bool)], where condition: (Bool, Bool) -> Bool
    ) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var previous = false
        for part in parts {
            if let last = result.last, condition(previous, part.isMatch) {
                result[result.count - 1] = last.lowerBound..<part.range.upperBound
            } else {
                result.append(part.range)
            }
            previous = part.isMatch
        }
        return result
    }

    /// From the right, a match joins what follows it unless that begins with a match itself.
    private static func mergeWithNext(_ parts: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var nextIsMatch = false
        for part in parts.reversed() {
            if part.isMatch, !nextIsMatch, let last = result.last {
                result[result.count - 1] = part.range.lowerBound..<last.upperBound
            } else {
                result.append(part.range)
            }
            nextIsMatch = part.isMatch
        }
        return result.reversed()
    }
}
