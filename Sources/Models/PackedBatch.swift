public import Layers

/// A micro-batch: several examples one behind the other, without padding. They never see each other; those that begin alike may
/// have their beginning computed once for all.
public struct PackedBatch: Sendable {
    /// The tokens of all segments.
    public private(set) var tokens: [Int32] = []
    /// Position of each token in its example.
    public private(set) var positions: [Int32] = []
    /// The examples; of those that share a prefix, first the prefix and then what each has after it.
    public private(set) var segments: [Segment] = []
    /// What names the example of each token in the counters of dropout.
    public private(set) var exampleKeys: [UInt32] = []
    /// Rows whose next token is trained, that token, and how many examples train it; rows ascend. The last row of a shared
    /// prefix stands there once for each example, as each goes on with a token of its own.
    public private(set) var trainedRows: [Int] = []
    public private(set) var targets: [Int32] = []
    public private(set) var repeats: [Int] = []

    public init() {}

    /// An example on its way into a batch.
    public struct Member: Sendable {
        let tokens: [Int32], labels: [Int32]
        let key: UInt32

        /// - Parameters:
        ///   - tokens: the example's tokens, at least one.
        ///   - labels: one for each token; −100 where it is not trained. A token is predicted from the one before it, so the first
        ///     label of an example is never used.
        ///   - key: names the example; the same whatever batch it is in.
        public init(tokens: [Int32], labels: [Int32], key: UInt32) {
            precondition(tokens.count == labels.count && !tokens.isEmpty)
            self.tokens = tokens
            self.labels = labels
            self.key = key
        }
    }

    /// Whether a part of the batch is computed for more than one example.
    var hasSharedPrefix: Bool { segments.contains { !$0.prefix.isEmpty } }

    /// Adds an example; the parameters are those of `Member`.
    public mutating func append(tokens: [Int32], labels: [Int32], key: UInt32) {
        append(Member(tokens: tokens, labels: labels, key: key))
    }

    /// Adds an example.
    public mutating func append(_ example: Member) {
        let rows = append(example.tokens, after: 0, key: example.key)
        segments.append(Segment(rows))
        train(rows.dropLast(), example.labels.dropFirst())
    }

    /// Adds examples that begin with the same tokens, which are computed once.
    /// - Parameters:
    ///   - examples: at least two, each longer than the prefix.
    ///   - prefix: tokens that they begin with, at least one.
    public mutating func append(_ examples: [Member], sharing prefix: Int) {
        let first = examples[0]
        precondition(prefix > 0 && examples.count > 1 && examples.allSatisfy { $0.tokens.count > prefix })
        precondition(
            examples.allSatisfy { $0.tokens[..<prefix] == first.tokens[..<prefix] }, "examples begin differently")
        let shared = append(Array(first.tokens[..<prefix]), after: 0, key: first.key)
        segments.append(Segment(shared))
        for position in 1..<prefix {
            let count = examples.count { $0.labels[position] >= 0 }
            if count > 0 { train(shared.lowerBound + position - 1, first.tokens[position], repeats: count) }
        }
        for example in examples { train(shared.suffix(1), example.labels[prefix...prefix]) }
        for example in examples {
            let rows = append(Array(example.tokens[prefix...]), after: prefix, key: example.key)
            segments.append(Segment(rows, after: shared))
            train(rows.dropLast(), example.labels.dropFirst(prefix + 1))
        }
    }

    /// Adds one token of a sequence whose earlier tokens are in a cache.
    mutating func append(next token: Int32, position: Int) {
        segments.append(Segment(append([token], after: position, key: 0)))
    }

    /// Adds tokens from a position of their example on, and returns their rows.
    private mutating func append(_ new: [Int32], after position: Int, key: UInt32) -> Range<Int> {
        let start = tokens.count
        tokens += new
        positions += (0..<Int32(new.count)).map { Int32(position) + $0 }
        exampleKeys += [UInt32](repeating: key, count: new.count)
        return start..<tokens.count
    }

    /// Lets rows predict labels, where these are trained.
    private mutating func train(_ rows: Range<Int>, _ labels: ArraySlice<Int32>) {
        for (row, label) in zip(rows, labels) where label >= 0 { train(row, label, repeats: 1) }
    }

    private mutating func train(_ row: Int, _ target: Int32, repeats count: Int) {
        trainedRows.append(row)
        targets.append(target)
        repeats.append(count)
    }
}
