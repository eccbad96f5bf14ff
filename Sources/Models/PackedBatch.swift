/// A micro-batch: several examples one behind the other, without padding. They never see each other.
public struct PackedBatch: Sendable {
    /// The tokens of all examples.
    public private(set) var tokens: [Int32] = []
    /// Position of each token in its example.
    public private(set) var positions: [Int32] = []
    /// The token range of each example.
    public private(set) var examples: [Range<Int>] = []
    /// What names the example of each token in the counters of dropout.
    public private(set) var exampleKeys: [UInt32] = []
    /// Rows whose next token is trained, and that token.
    public private(set) var trainedRows: [Int] = []
    public private(set) var targets: [Int32] = []

    public init() {}

    /// Adds an example.
    /// - Parameters:
    ///   - new: the example's tokens, at least one.
    ///   - labels: one for each token; −100 where it is not trained. A token is predicted from the one before it, so the first
    ///     label of an example is never used.
    ///   - key: names the example; the same whatever batch it is in.
    public mutating func append(tokens new: [Int32], labels: [Int32], key: UInt32) {
        precondition(new.count == labels.count && !new.isEmpty)
        let start = tokens.count
        tokens += new
        positions += (0..<Int32(new.count))
        examples.append(start..<tokens.count)
        exampleKeys += [UInt32](repeating: key, count: new.count)
        for i in 1..<max(new.count, 1) where labels[i] >= 0 {
            trainedRows.append(start + i - 1)
            targets.append(labels[i])
        }
    }

    /// Adds one token of a sequence whose earlier tokens are in a cache.
    mutating func append(next token: Int32, position: Int) {
        examples.append(tokens.count..<tokens.count + 1)
        tokens.append(token)
        positions.append(Int32(position))
        exampleKeys.append(0)
    }
}
