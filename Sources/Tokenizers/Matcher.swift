/// Finds what a text is to be cut at, or what is to be replaced in it.
enum Matcher: Sendable {
    /// These very bytes.
    case literal([UInt8])
    case pattern(Pattern)
    /// Each scalar of a set.
    case scalars(ScalarSet)

    /// Calls `body` with each match in the range, from the left; matches do not overlap and are not empty.
    /// - Throws: `PatternEffortError`, of a pattern only.
    func matches(_ text: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) throws(PatternEffortError) {
        var position = range.lowerBound
        switch self {
        case .literal(let wanted): Self.matches(of: wanted, in: text, range, body)
        case .pattern(let pattern):
            var matcher = PatternMatcher(pattern, count: range.count)
            while position < range.upperBound {
                if let end = try matcher.match(text, from: position, to: range.upperBound), end > position {
                    body(position..<end)
                    position = end
                } else {
                    position += decodeScalar(text, position).count
                }
            }
        case .scalars(let set):
            while position < range.upperBound {
                let scalar = decodeScalar(text, position)
                if set.contains(scalar.value) { body(position..<position + scalar.count) }
                position += scalar.count
            }
        }
    }

    /// Calls `body` with each place where these very bytes stand, as `matches` does.
    static func matches(of wanted: [UInt8], in text: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var position = range.lowerBound
        while position + wanted.count <= range.upperBound {
            if text[position] == wanted[0], text[position..<position + wanted.count].elementsEqual(wanted) {
                body(position..<position + wanted.count)
                position += wanted.count
            } else {
                position += 1
            }
        }
    }

    /// The fewest bytes that a match can have.
    var shortestMatch: Int { if case .literal(let wanted) = self { wanted.count } else { 1 } }
}
