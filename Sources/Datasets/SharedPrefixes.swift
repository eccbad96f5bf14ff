/// Beginnings that many examples of a data set have in common, such as a system prompt or worked examples before the question. A
/// micro-batch computes such a beginning once for all its examples.
public struct SharedPrefixes: Sendable, Equatable {
    /// No shorter beginning is worth a segment of its own.
    static let fewestTokens = 16
    /// The most beginnings of a data set.
    static let most = 8
    /// Rows that are looked at.
    static let sampledRows = 64

    /// The tokens of each, in the order of what they save; a prefix is named by its place.
    public let tokens: [[Int32]]

    /// No beginning is shared.
    public static let none = SharedPrefixes(tokens: [])

    private init(tokens: [[Int32]]) { self.tokens = tokens }

    /// The beginnings that save work, judged by a sample of examples: what at least two of them begin with and end after. One that
    /// goes on from another counts for what it saves beyond that one.
    init(sample: [[Int32]]) {
        let sorted = sample.sorted { $0.lexicographicallyPrecedes($1) }
        var candidates: [[Int32]] = []
        for (a, b) in zip(sorted, sorted.dropFirst()) {
            let common = zip(a, b).prefix { $0 == $1 }.count
            let length = min(common, a.count - 1, b.count - 1)
            if length >= Self.fewestTokens { candidates.append(Array(a[..<length])) }
        }
        candidates = candidates.enumerated().filter { $0.offset == 0 || candidates[$0.offset - 1] != $0.element }.map(
            \.element)
        var chosen: [[Int32]] = []
        var saving = 0
        while chosen.count < Self.most {
            let savings = candidates.map { Self.saving(chosen + [$0], of: sorted) }
            guard let best = savings.indices.max(by: { savings[$0] < savings[$1] }), savings[best] > saving else {
                break
            }
            chosen.append(candidates[best])
            saving = savings[best]
        }
        tokens = chosen
    }

    /// The longest of the prefixes that an example begins with and goes on after.
    public func label(_ example: [Int32]) -> ExampleSize.Prefix? { Self.longest(tokens, of: example) }

    private static func longest(_ prefixes: [[Int32]], of example: [Int32]) -> ExampleSize.Prefix? {
        prefixes.enumerated()
            .filter { $0.element.count < example.count && example.starts(with: $0.element) }
            .max { $0.element.count < $1.element.count }
            .map { ExampleSize.Prefix(index: $0.offset, tokens: $0.element.count) }
    }

    /// Tokens that a micro-batch of four examples, drawn from the sample with return, computes less on the average; times the number
    /// of such draws, which keeps it a whole number. With k of n examples a prefix is asked for 4k/n times, and computed if one of
    /// four has it.
    private static func saving(_ prefixes: [[Int32]], of sample: [[Int32]]) -> Int {
        var counts = [Int](repeating: 0, count: prefixes.count)
        for example in sample {
            if let prefix = longest(prefixes, of: example) { counts[prefix.index] += 1 }
        }
        let n = sample.count
        return zip(prefixes, counts).reduce(0) { sum, pair in
            let (k, rest) = (pair.1, n - pair.1)
            return sum + pair.0.count * (4 * k * n * n * n - n * n * n * n + rest * rest * rest * rest)
        }
    }
}
