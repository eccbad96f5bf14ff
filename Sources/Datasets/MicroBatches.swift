/// Cutting a batch into micro-batches and dealing these to ranks. The cut knows nothing of ranks, so that the sums that a
/// micro-batch yields are the same however many there are.
public enum MicroBatches {
    /// Tokens of an example, and the prefix that it shares with others, if it does.
    public typealias Item = (tokens: Int, prefix: ExampleSize.Prefix?)

    /// What a piece of examples costs: their tokens, of which those of a shared prefix count once.
    public static func tokens(of piece: some Sequence<Item>) -> Int {
        var load = Load()
        for item in piece { load.add(item) }
        return load.tokens
    }

    /// Cuts a batch into pieces of near-equal cost by longest-processing-time: examples, the longest first and equals by
    /// position, each go to the piece that will hold the fewest tokens with it (the first of equals), where a prefix that the
    /// piece has already costs nothing.
    ///
    /// There are max(⌈tokens / limit⌉, min(examples, atLeast)) pieces, shared prefixes counted once, and one more as often as a
    /// piece of several examples would exceed the limit. An example longer than the limit stands alone.
    /// - Parameters:
    ///   - items: the examples in the order of the batch.
    ///   - limit: most tokens of a piece (`micro_batch_tokens`).
    ///   - atLeast: pieces wanted if there are as many examples (`micro_batches_per_step`).
    /// - Returns: positions in the batch, ascending within each piece; no piece is empty.
    public static func cut(_ items: [Item], limit: Int, atLeast: Int) -> [[Int]] {
        precondition(limit > 0 && atLeast > 0, "limit and number of pieces must be positive")
        guard !items.isEmpty else { return [] }
        let wanted = max((tokens(of: items) + limit - 1) / limit, min(items.count, atLeast))
        for pieces in min(wanted, items.count)..<items.count {
            let cut = spread(items, over: pieces)
            if cut.allSatisfy({ $0.count == 1 || tokens(of: $0.lazy.map { items[$0] }) <= limit }) { return cut }
        }
        return spread(items, over: items.count)
    }

    /// Deals pieces to ranks by longest-processing-time: the costliest first, each to the rank with the least to do.
    ///
    /// - Parameters:
    ///   - costs: of each piece; not negative.
    ///   - ranks: how many there are.
    /// - Returns: for each rank the indices of its pieces, ascending; empty for a rank that idles.
    public static func deal(_ costs: [Int], ranks: Int) -> [[Int]] {
        precondition(ranks > 0, "there is at least one rank")
        return spread(costs.map { ($0, nil) }, over: ranks)
    }

    /// Longest-processing-time; equals by position, the first of the bins that are least loaded with the item.
    private static func spread(_ items: [Item], over bins: Int) -> [[Int]] {
        let order = items.indices.sorted {
            items[$0].tokens != items[$1].tokens ? items[$0].tokens > items[$1].tokens : $0 < $1
        }
        var loads = [Load](repeating: Load(), count: bins)
        var members = [[Int]](repeating: [], count: bins)
        for index in order {
            // The load decides; among equal loads the bin with fewer members, so that items without cost spread too.
            func rank(_ bin: Int) -> (Int, Int) { (loads[bin].tokens(with: items[index]), members[bin].count) }
            var bin = 0
            for other in 1..<max(bins, 1) where rank(other) < rank(bin) { bin = other }
            loads[bin].add(items[index])
            members[bin].append(index)
        }
        return members.map { $0.sorted() }
    }

    /// What a bin holds: its tokens, and which prefixes are among them.
    private struct Load {
        private(set) var tokens = 0
        private var prefixes: UInt32 = 0

        func tokens(with item: Item) -> Int {
            guard let prefix = item.prefix, prefixes & 1 << UInt32(prefix.index) != 0 else {
                return tokens + item.tokens
            }
            return tokens + item.tokens - prefix.tokens
        }

        mutating func add(_ item: Item) {
            tokens = tokens(with: item)
            if let prefix = item.prefix { prefixes |= 1 << UInt32(prefix.index) }
        }
    }
}
