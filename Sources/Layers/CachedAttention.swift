public import Tensors

/// Keys and values of the tokens of one sequence so far, for one layer.
public struct KeyValueCache: Sendable {
    /// (capacity, keyHeads · size) each.
    public let keys: MatrixView, values: MatrixView
    public init(keys: MatrixView, values: MatrixView) {
        self.keys = keys
        self.values = values
    }
}

extension Attention {
    /// Attention of one new token for each of several sequences over what their caches hold.
    /// - Parameters:
    ///   - q: (sequences, heads · size).
    ///   - caches: one for each sequence, the new token's key and value included.
    ///   - lengths: tokens in each cache.
    ///   - o: (sequences, heads · size), replaced.
    ///   - workers: share heads of sequences.
    public func forwardCached(
        q: MatrixView, caches: [KeyValueCache], lengths: [Int], into o: MatrixView, on workers: Workers
    ) {
        workers.run(caches.count * heads) { index, worker in
            let (sequence, head) = (index / heads, index % heads)
            let own = head * size..<(head + 1) * size
            let sharedHead = head / (heads / keyHeads)
            let shared = sharedHead * size..<(sharedHead + 1) * size
            let (cache, length) = (caches[sequence], lengths[sequence])
            let row = sequence..<sequence + 1
            let scores = workers.scores(worker, 0, rows: 1, columns: length)
            gemm(q.rows(row).columns(own), cache.keys.rows(0..<length).columns(shared), transposeB: true, into: scores)
            let scale = 1 / Float(size).squareRoot()
            let largest = scores.largest(row: 0, count: length) * scale
            let sum = scores.exponentiate(row: 0, count: length, scale: scale, shift: largest)
            scores.scale(row: 0, by: 1 / sum)
            gemm(scores, cache.values.rows(0..<length).columns(shared), into: o.rows(row).columns(own))
        }
    }
}
