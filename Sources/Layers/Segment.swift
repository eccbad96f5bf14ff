/// Consecutive tokens of a batch that follow each other in one text: an example, the beginning that several examples share, or
/// what one of these has after it.
public struct Segment: Sendable, Equatable {
    /// Rows of the batch, at least one.
    public let tokens: Range<Int>
    /// The rows of the segment whose text this one goes on with, computed once for all that do; empty for a text of its own.
    public let prefix: Range<Int>

    /// A segment with a text of its own, or one that goes on with that of an earlier segment.
    public init(_ tokens: Range<Int>, after prefix: Range<Int> = 0..<0) {
        precondition(!tokens.isEmpty && prefix.upperBound <= tokens.lowerBound, "a segment follows its prefix")
        self.tokens = tokens
        self.prefix = prefix
    }

    /// Where segments with a text of their own stand, each with those behind it that go on with it. What follows a prefix must
    /// stand right behind it.
    static func families(_ segments: [Segment]) -> [Range<Int>] {
        var families: [Range<Int>] = []
        for (index, segment) in segments.enumerated() {
            if segment.prefix.isEmpty {
                families.append(index..<index + 1)
            } else {
                let first = families.last!.lowerBound
                precondition(segments[first].tokens == segment.prefix, "a segment stands apart from its prefix")
                families[families.count - 1] = first..<index + 1
            }
        }
        return families
    }
}
