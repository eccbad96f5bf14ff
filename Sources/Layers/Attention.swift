import Foundation
public import Tensors

/// Causal attention within each example, o = softmax(q kᵀ / √size) v, heads of q sharing those of k and v in groups.
/// (Vaswani et al. 2017; Ainslie et al. 2023 for groups; backward by recomputing the probabilities from the log of their sum,
/// Dao et al. 2022.)
///
/// Shapes: q, o (tokens, heads · size); k, v (tokens, keyHeads · size). Scores exist for one block of queries at a time.
public struct Attention: Sendable {
    public let heads: Int, keyHeads: Int, size: Int
    /// Tokens of the longest example whose scores for one query fit a worker's scratch memory.
    public static let longestExample = Workers.scoreFloats
    private let precision: Precision
    let scale: Float

    /// - Parameters:
    ///   - heads: of queries, a multiple of `keyHeads`.
    ///   - keyHeads: of keys and values.
    ///   - size: features of a head.
    ///   - precision: what the inputs of products are rounded to.
    public init(heads: Int, keyHeads: Int, size: Int, precision: Precision = .fp32) {
        precondition(heads % keyHeads == 0)
        self.heads = heads
        self.keyHeads = keyHeads
        self.size = size
        self.precision = precision
        scale = 1 / Float(size).squareRoot()
    }

    private struct Task {
        let example: Range<Int>
        let head: Int
        let queries: Range<Int>
    }

    /// Queries in a block, by the example's length alone: as many as keep the scores within a worker's scratch memory.
    private func queryBlock(_ length: Int) -> Int { max(1, min(64, Workers.scoreFloats / length)) }

    func columns(_ head: Int) -> Range<Int> { head * size..<(head + 1) * size }

    /// o = attention of q, k and v within each example.
    /// - Parameters:
    ///   - q: (tokens, heads · size).
    ///   - k: (tokens, keyHeads · size).
    ///   - v: (tokens, keyHeads · size).
    ///   - examples: the token ranges of the examples, in order, none empty.
    ///   - o: (tokens, heads · size), replaced.
    ///   - logSum: (tokens, heads), receives log Σ exp(score) for the backward pass.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share blocks of queries of one head.
    public func forward(
        q: MatrixView, k: MatrixView, v: MatrixView, examples: [Range<Int>], into o: MatrixView, logSum: MatrixView,
        arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        if precision == .bf16 {
            forwardPacked(q: q, k: k, v: v, examples: examples, into: o, logSum: logSum, arena: arena, on: workers)
            return
        }
        var tasks: [Task] = []
        for example in examples {
            let block = queryBlock(example.count)
            for head in 0..<heads {
                for start in stride(from: 0, to: example.count, by: block) {
                    tasks.append(
                        Task(example: example, head: head, queries: start..<min(example.count, start + block)))
                }
            }
        }
        workers.run(tasks.count) { index, worker in
            let task = tasks[index]
            let end = task.queries.upperBound
            let keys = task.example.lowerBound..<task.example.lowerBound + end
            let tokens = task.example.lowerBound + task.queries.lowerBound..<keys.upperBound
            let own = columns(task.head)
            let shared = columns(task.head / (heads / keyHeads))
            let scores = workers.scores(worker, 0, rows: tokens.count, columns: end)
            let output = o.rows(tokens).columns(own)
            gemm(q.rows(tokens).columns(own), k.rows(keys).columns(shared), transposeB: true, into: scores)
            for i in 0..<tokens.count {
                let seen = task.queries.lowerBound + i + 1
                let largest = scores.largest(row: i, count: seen) * scale
                let sum = scores.exponentiate(row: i, count: seen, scale: scale, shift: largest)
                scores.clear(row: i, from: seen)
                scores.scale(row: i, by: 1 / sum)
                logSum[tokens.lowerBound + i, task.head] = largest + log(sum)
            }
            gemm(scores, v.rows(keys).columns(shared), into: output)
        }
    }

    /// Gradients of q, k, v from that of o.
    /// - Parameters:
    ///   - dOutput: (tokens, heads · size).
    ///   - q: as in the forward pass; so k, v and examples.
    ///   - k: (tokens, keyHeads · size).
    ///   - v: (tokens, keyHeads · size).
    ///   - o: what the forward pass gave, (tokens, heads · size).
    ///   - logSum: what the forward pass gave, (tokens, heads).
    ///   - examples: the token ranges of the examples.
    ///   - dq: (tokens, heads · size), replaced.
    ///   - dk: (tokens, keyHeads · size), replaced.
    ///   - dv: (tokens, keyHeads · size), replaced.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share heads of examples.
    public func backward(
        _ dOutput: MatrixView, q: MatrixView, k: MatrixView, v: MatrixView, o: MatrixView, logSum: MatrixView,
        examples: [Range<Int>], dq: MatrixView, dk: MatrixView, dv: MatrixView, arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        if precision == .bf16 {
            backwardPacked(
                dOutput, q: q, k: k, v: v, o: o, logSum: logSum, examples: examples, dq: dq, dk: dk, dv: dv,
                arena: arena, on: workers)
            return
        }
        let group = heads / keyHeads
        let (dkParts, dvParts) =
            group == 1 ? (dk, dv) : (arena.matrix(q.rows, heads * size), arena.matrix(q.rows, heads * size))
        workers.run(examples.count * heads) { index, worker in
            let example = examples[index / heads]
            let head = index % heads
            let own = columns(head)
            let shared = columns(head / group)
            let dkOwn = dkParts.rows(example).columns(own)
            let dvOwn = dvParts.rows(example).columns(own)
            dkOwn.fill(0)
            dvOwn.fill(0)
            let block = queryBlock(example.count)
            for start in stride(from: 0, to: example.count, by: block) {
                let end = min(example.count, start + block)
                let tokens = example.lowerBound + start..<example.lowerBound + end
                let keys = example.lowerBound..<tokens.upperBound
                let p = workers.scores(worker, 0, rows: tokens.count, columns: end)
                let ds = workers.scores(worker, 1, rows: tokens.count, columns: end)
                let (qBlock, kBlock) = (q.rows(tokens).columns(own), k.rows(keys).columns(shared))
                let dBlock = dOutput.rows(tokens).columns(own)
                let oBlock = o.rows(tokens).columns(own)
                gemm(qBlock, kBlock, transposeB: true, into: p)
                gemm(dBlock, v.rows(keys).columns(shared), transposeB: true, into: ds)
                for i in 0..<tokens.count {
                    let seen = start + i + 1
                    _ = p.exponentiate(
                        row: i, count: seen, scale: scale, shift: logSum[tokens.lowerBound + i, head])
                    p.clear(row: i, from: seen)
                    ds.softmaxBackward(
                        row: i, probabilities: p, delta: dBlock.dot(row: i, oBlock, row: i), scale: scale, count: seen)
                    ds.clear(row: i, from: seen)
                }
                let seenKeys = 0..<end
                gemm(p, transposeA: true, dBlock, into: dvOwn.rows(seenKeys), beta: 1)
                gemm(ds, transposeA: true, qBlock, into: dkOwn.rows(seenKeys), beta: 1)
                gemm(ds, kBlock, into: dq.rows(tokens).columns(own))
            }
        }
        if group > 1 { addParts([(dk, dkParts), (dv, dvParts)], on: workers) }
    }

    /// Adds up the gradients of keys or values that the query heads of each group gave.
    /// Shapes: total (tokens, keyHeads · size), parts (tokens, heads · size).
    func addParts(_ sums: [(total: MatrixView, parts: MatrixView)], on workers: Workers) {
        let group = heads / keyHeads
        workers.rows(sums[0].total.rows) { range, _ in
            for keyHead in 0..<keyHeads {
                for (total, parts) in sums {
                    let sum = total.columns(columns(keyHead))
                    for t in range {
                        sum.rows(t..<t + 1).copy(from: parts.rows(t..<t + 1).columns(columns(keyHead * group)))
                        for member in 1..<group {
                            sum.add(row: t, parts.columns(columns(keyHead * group + member)), row: t)
                        }
                    }
                }
            }
        }
    }
}
