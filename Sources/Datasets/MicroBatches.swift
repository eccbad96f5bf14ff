/// Cutting a batch into micro-batches and dealing these to ranks. The cut knows nothing of ranks, so that the sums that a
/// micro-batch yields are the same however many there are.
public enum MicroBatches {
    /// Cuts a batch into pieces of near-equal cost by longest-processing-time: examples, the longest first and equals by
    /// position, each go to the piece that holds the fewest tokens so far (the first of equals).
    ///
    /// There are max(⌈tokens / limit⌉, min(examples, atLeast)) pieces, and one more as often as a piece of several
    /// examples would exceed the limit. An example longer than the limit stands alone.
    /// - Parameters:
    ///   - tokenCounts: tokens of each example in the order of the batch.
    ///   - limit: most tokens of a piece (`micro_batch_tokens`).
    ///   - atLeast: pieces wanted if there are as many examples (`micro_batches_per_step`).
    /// - Returns: positions in the batch, ascending within each piece; no piece is empty.
    public static func cut(_ tokenCounts: [Int], limit: Int, atLeast: Int) -> [[Int]] {
        precondition(limit > 0 && atLeast > 0, "limit and number of pieces must be positive")
        guard !tokenCounts.isEmpty else { return [] }
        let total = tokenCounts.reduce(0, +)
        let wanted = max((total + limit - 1) / limit, min(tokenCounts.count, atLeast))
        for pieces in min(wanted, tokenCounts.count)..<tokenCounts.count {
            let cut = spread(tokenCounts, over: pieces)
            if cut.allSatisfy({ $0.count == 1 || $0.reduce(0) { $0 + tokenCounts[$1] } <= limit }) { return cut }
        }
        return spread(tokenCounts, over: tokenCounts.count)
    }

    /// Deals pieces to ranks by longest-processing-time: the costliest first, each to the rank with the least to do.
    ///
    /// - Parameters:
    ///   - costs: of each piece; not negative.
    ///   - ranks: how many there are.
    /// - Returns: for each rank the indices of its pieces, ascending; empty for a rank that idles.
    public static func deal(_ costs: [Int], ranks: Int) -> [[Int]] {
        precondition(ranks > 0, "there is at least one rank")
        return spread(costs, over: ranks)
    }

    /// Longest-processing-time; equals by position, the first of the least-loaded bins.
    private static func spread(_ costs: [Int], over bins: Int) -> [[Int]] {
        let order = costs.indices.sorted { costs[$0] != costs[$1] ? costs[$0] > costs[$1] : $0 < $1 }
        var loads = [Int](repeating: 0, count: bins)
        var members = [[Int]](repeating: [], count: bins)
        for index in order {
            var bin = 0
            // The load decides; among equal loads the bin with fewer members, so that items without cost spread too.
            for other in 1..<max(bins, 1)
            where (loads[other], members[other].count) < (loads[bin], members[bin].count) { bin = other }
            loads[bin] += costs[index]
            members[bin].append(index)
        }
        return members.map { $0.sorted() }
    }
}
