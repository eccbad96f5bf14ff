import Foundation
public import Tensors

/// Causal attention within each segment and over its prefix, o = softmax(q kᵀ / √size) v, heads of q sharing those of k and v in
/// groups. (Vaswani et al. 2017; Ainslie et al. 2023 for groups; backward by recomputing the probabilities from the log of their sum,
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
        let segment: Segment
        let head: Int
        /// Rows of the batch.
        let queries: Range<Int>
    }

    /// Blocks of a segment's queries, by its length alone: as many as keep the scores within a worker's scratch memory.
    private func queryBlocks(_ segment: Segment) -> [Range<Int>] {
        let length = max(1, min(64, Workers.scoreFloats / (segment.prefix.count + segment.tokens.count)))
        let end = segment.tokens.upperBound
        return stride(from: segment.tokens.lowerBound, to: end, by: length).map { $0..<min(end, $0 + length) }
    }

    /// What a block of queries sees: its segment's prefix, and of the segment itself the keys up to the last query. Each with its
    /// columns among the scores.
    private func keys(
        _ segment: Segment, upTo end: Int
    ) -> (parts: [(rows: Range<Int>, columns: Range<Int>)], count: Int) {
        let own = segment.tokens.lowerBound..<end
        let (before, count) = (segment.prefix.count, segment.prefix.count + own.count)
        if before == 0 { return ([(own, 0..<count)], count) }
        return ([(segment.prefix, 0..<before), (own, before..<count)], count)
    }

    func columns(_ head: Int) -> Range<Int> { head * size..<(head + 1) * size }

    /// o = attention of q, k and v within each segment and over its prefix.
    /// - Parameters:
    ///   - q: (tokens, heads · size).
    ///   - k: (tokens, keyHeads · size).
    ///   - v: (tokens, keyHeads · size).
    ///   - segments: of all rows, in order; those with a prefix right behind it.
    ///   - o: (tokens, heads · size), replaced.
    ///   - logSum: (tokens, heads), receives log Σ exp(score) for the backward pass.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share blocks of queries of one head.
    public func forward(
        q: MatrixView, k: MatrixView, v: MatrixView, segments: [Segment], into o: MatrixView, logSum: MatrixView,
        arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        if precision == .bf16 {
            forwardPacked(q: q, k: k, v: v, segments: segments, into: o, logSum: logSum, arena: arena, on: workers)
            return
        }
        var tasks: [Task] = []
        for segment in segments {
            for head in 0..<heads {
                for queries in queryBlocks(segment) {
                    tasks.append(Task(segment: segment, head: head, queries: queries))
                }
            }
        }
        workers.run(tasks.count) { index, worker in
            let task = tasks[index]
            let tokens = task.queries
            let (parts, count) = keys(task.segment, upTo: tokens.upperBound)
            let own = columns(task.head)
            let shared = columns(task.head / (heads / keyHeads))
            let scores = workers.scores(worker, 0, rows: tokens.count, columns: count)
            let output = o.rows(tokens).columns(own)
            for part in parts {
                gemm(
                    q.rows(tokens).columns(own), k.rows(part.rows).columns(shared), transposeB: true,
                    into: scores.columns(part.columns))
            }
            for i in 0..<tokens.count {
                let seen = count - tokens.count + i + 1
                let largest = scores.largest(row: i, count: seen) * scale
                let sum = scores.exponentiate(row: i, count: seen, scale: scale, shift: largest)
                scores.clear(row: i, from: seen)
                scores.scale(row: i, by: 1 / sum)
                logSum[tokens.lowerBound + i, task.head] = largest + log(sum)
            }
            for part in parts {
                gemm(
                    scores.columns(part.columns), v.rows(part.rows).columns(shared), into: output,
                    beta: part.columns.lowerBound == 0 ? 0 : 1)
            }
        }
    }

    /// Gradients of q, k, v from that of o.
    /// - Parameters:
    ///   - dOutput: (tokens, heads · size).
    ///   - q: as in the forward pass; so k, v and segments.
    ///   - k: (tokens, keyHeads · size).
    ///   - v: (tokens, keyHeads · size).
    ///   - o: what the forward pass gave, (tokens, heads · size).
    ///   - logSum: what the forward pass gave, (tokens, heads).
    ///   - segments: as in the forward pass.
    ///   - dq: (tokens, heads · size), replaced.
    ///   - dk: (tokens, keyHeads · size), replaced.
    ///   - dv: (tokens, keyHeads · size), replaced.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share heads of segments, those with one prefix together.
    public func backward(
        _ dOutput: MatrixView, q: MatrixView, k: MatrixView, v: MatrixView, o: MatrixView, logSum: MatrixView,
        segments: [Segment], dq: MatrixView, dk: MatrixView, dv: MatrixView, arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        if precision == .bf16 {
            backwardPacked(
                dOutput, q: q, k: k, v: v, o: o, logSum: logSum, segments: segments, dq: dq, dk: dk, dv: dv,
                arena: arena, on: workers)
            return
        }
        let group = heads / keyHeads
        let (dkParts, dvParts) =
            group == 1 ? (dk, dv) : (arena.matrix(q.rows, heads * size), arena.matrix(q.rows, heads * size))
        let families = Segment.families(segments)
        workers.run(families.count * heads) { index, worker in
            let family = segments[families[index / heads]]
            let head = index % heads
            let own = columns(head)
            let shared = columns(head / group)
            let (dkOwn, dvOwn) = (dkParts.columns(own), dvParts.columns(own))
            for segment in family {
                dkOwn.rows(segment.tokens).fill(0)
                dvOwn.rows(segment.tokens).fill(0)
                for tokens in queryBlocks(segment) {
                    let (parts, count) = keys(segment, upTo: tokens.upperBound)
                    let p = workers.scores(worker, 0, rows: tokens.count, columns: count)
                    let ds = workers.scores(worker, 1, rows: tokens.count, columns: count)
                    let qBlock = q.rows(tokens).columns(own)
                    let (dBlock, oBlock) = (dOutput.rows(tokens).columns(own), o.rows(tokens).columns(own))
                    for part in parts {
                        let (kPart, vPart) = (k.rows(part.rows).columns(shared), v.rows(part.rows).columns(shared))
                        gemm(qBlock, kPart, transposeB: true, into: p.columns(part.columns))
                        gemm(dBlock, vPart, transposeB: true, into: ds.columns(part.columns))
                    }
                    for i in 0..<tokens.count {
                        let seen = count - tokens.count + i + 1
                        _ = p.exponentiate(
                            row: i, count: seen, scale: scale, shift: logSum[tokens.lowerBound + i, head])
                        p.clear(row: i, from: seen)
                        ds.softmaxBackward(
                            row: i, probabilities: p, delta: dBlock.dot(row: i, oBlock, row: i), scale: scale,
                            count: seen)
                        ds.clear(row: i, from: seen)
                    }
                    for part in parts {
                        let dsPart = ds.columns(part.columns)
                        gemm(p.columns(part.columns), transposeA: true, dBlock, into: dvOwn.rows(part.rows), beta: 1)
                        gemm(dsPart, transposeA: true, qBlock, into: dkOwn.rows(part.rows), beta: 1)
                        gemm(
                            dsPart, k.rows(part.rows).columns(shared), into: dq.rows(tokens).columns(own),
                            beta: part.columns.lowerBound == 0 ? 0 : 1)
                    }
                }
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
