/// What became of a data set's rows: the counts for the log.
public struct DataSummary: Sendable, Equatable {
    /// Rows in the files.
    public var rows = 0
    /// Rows that are trained on.
    public var examples = 0
    /// Examples cut to `max_length`.
    public var truncated = 0
    /// Rows left out because they are longer than `max_length`.
    public var droppedTooLong = 0
    /// Rows left out because none of their tokens is trained.
    public var droppedUntrained = 0
    /// Tokens of all examples.
    public var tokens = 0
    /// Tokens of all examples that the loss counts.
    public var trainedTokens = 0
    /// Tokens of the longest example.
    public var longest = 0
    /// Examples in which a token that ends a turn is trained.
    public var examplesWithEnd = 0

    /// - Parameter sizes: of every row.
    public init(_ sizes: [ExampleSize]) {
        for size in sizes {
            rows += 1
            switch size.drop {
            case .tooLong: droppedTooLong += 1
            case .untrained: droppedUntrained += 1
            case nil:
                examples += 1
                truncated += size.isTruncated ? 1 : 0
                tokens += size.tokens
                trainedTokens += size.trained
                longest = max(longest, size.tokens)
                examplesWithEnd += size.endsTurn ? 1 : 0
            }
        }
    }

    /// Refuses a data set that would teach nothing, or never to stop.
    /// - Parameters:
    ///   - name: what is meant, such as `data.train`.
    ///   - maxLength: the limit in force, for the message.
    ///   - isTraining: false for rows that are only evaluated, which teach nothing.
    /// - Throws: `DatasetError`.
    public func check(name: String, maxLength: Int, isTraining: Bool = true) throws {
        guard examples > 0 else {
            throw DatasetError(
                reason: "\(name): no example is left of \(rows) rows: \(droppedUntrained) have no trained token, "
                    + "\(droppedTooLong) are longer than max_length \(maxLength); check data.train_on, data.long_examples and "
                    + "the chat template")
        }
        guard examplesWithEnd > 0 || !isTraining else {
            let cause =
                truncated == examples
                ? "every example is cut at max_length \(maxLength) before its end; raise data.max_length"
                : "the chat template writes no stop token after the assistant's text; let it write eos_token there"
            throw DatasetError(
                reason: "\(name): no end-of-turn token is trained, so the model would not learn to stop: \(cause)")
        }
    }

    /// One line for the log.
    public var text: String {
        var parts = ["\(examples) examples of \(rows) rows"]
        if truncated > 0 { parts.append("\(truncated) truncated") }
        if droppedTooLong > 0 { parts.append("\(droppedTooLong) dropped as too long") }
        if droppedUntrained > 0 { parts.append("\(droppedUntrained) dropped without a trained token") }
        parts.append("\(trainedTokens) of \(tokens) tokens trained")
        parts.append("longest \(longest)")
        return parts.joined(separator: ", ")
    }
}
