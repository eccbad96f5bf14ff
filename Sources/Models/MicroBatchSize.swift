/// The size of a micro-batch, or a bound for several: what the memory of a pass depends on. Where examples share a prefix, it
/// counts once.
public struct MicroBatchSize: Sendable, Equatable {
    public var tokens = 0, trained = 0, segments = 0

    /// - Parameters:
    ///   - tokens: of all segments.
    ///   - trained: predictions that are trained.
    ///   - segments: examples, and prefixes that several of them share.
    public init(tokens: Int = 0, trained: Int = 0, segments: Int = 0) {
        self.tokens = tokens
        self.trained = trained
        self.segments = segments
    }

    /// The size of a batch.
    public init(_ batch: PackedBatch) {
        self.init(tokens: batch.tokens.count, trained: batch.targets.count, segments: batch.segments.count)
    }

    /// Grows to hold another size.
    public mutating func cover(_ other: MicroBatchSize) {
        tokens = max(tokens, other.tokens)
        trained = max(trained, other.trained)
        segments = max(segments, other.segments)
    }
}

extension PackedBatch {
    /// Examples of some size to measure memory with. Of one token each but the last.
    static func sample(_ size: MicroBatchSize) -> PackedBatch {
        var batch = PackedBatch()
        for _ in 1..<max(size.segments, 1) { batch.append(tokens: [0], labels: [-100], key: 0) }
        let tokens = max(size.tokens - batch.tokens.count, size.trained + 1)
        let labels =
            [Int32](repeating: -100, count: tokens - size.trained) + [Int32](repeating: 0, count: size.trained)
        batch.append(tokens: [Int32](repeating: 0, count: tokens), labels: labels, key: 0)
        return batch
    }
}
