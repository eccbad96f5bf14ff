import Foundation
import Tensors

/// The same attention from inputs rounded to bf16, block by block of queries and keys, so that scores never leave the cache
/// (online softmax: Milakov & Gimelshein 2018; blocks and backward: Dao et al. 2022).
extension Attention {
    /// Queries of a block, and keys of a chunk: whole blocks of the kernel.
    private static let queries = 64, keys = 384

    /// A chunk of one segment's keys, with its operands for every head of keys.
    private struct Chunk {
        /// Tokens of the batch.
        let tokens: Range<Int>
        /// kᵀ, k, v and vᵀ as right operands, by head of keys.
        var turnedKeys: [PackedColumns] = [], plainKeys: [PackedColumns] = []
        var plainValues: [PackedColumns] = [], turnedValues: [PackedColumns] = []
    }

    /// A block of queries of one head.
    private struct Block {
        /// Chunks of what comes before the block's segment, and of the segment.
        let prefix: Range<Int>, own: Range<Int>
        let tokens: Range<Int>
        let head: Int
    }

    func forwardPacked(
        q: MatrixView, k: MatrixView, v: MatrixView, segments: [Segment], into o: MatrixView, logSum: MatrixView,
        arena: Arena, on workers: Workers
    ) {
        let (chunks, spans) = chunks(segments)
        var room = operandRoom(tokens: k.rows, segments: segments.count, turned: 1, plain: 1, arena)
        let packs = chunks.map { chunk in
            var chunk = chunk
            for _ in 0..<keyHeads {
                chunk.turnedKeys.append(room.makeColumns(inner: size, columns: chunk.tokens.count))
                chunk.plainValues.append(room.makeColumns(inner: chunk.tokens.count, columns: size))
            }
            return chunk
        }
        workers.run(packs.count * keyHeads) { index, _ in
            let (chunk, head) = (packs[index / keyHeads], index % keyHeads)
            chunk.turnedKeys[head].fill(transposed: k.rows(chunk.tokens).columns(columns(head)))
            chunk.plainValues[head].fill(v.rows(chunk.tokens).columns(columns(head)))
        }
        let all = segments.indices.flatMap { blocks(segments[$0], spans[$0]) }
        workers.run(all.count) { index, worker in
            forward(all[index], packs, q, o, logSum, workers.scratch(worker))
        }
    }

    private func forward(
        _ block: Block, _ chunks: [Chunk], _ q: MatrixView, _ o: MatrixView, _ logSum: MatrixView, _ scratch: Scratch
    ) {
        var scratch = scratch
        let (rows, own, keyHead) = (block.tokens.count, columns(block.head), block.head / (heads / keyHeads))
        let query = scratch.makeRows(rows: rows, columns: size)
        let output = scratch.matrix(rows, size)
        let state = scratch.matrix(rows, 2)
        query.fill(q.rows(block.tokens).columns(own))
        for i in 0..<rows {
            state[i, 0] = -.infinity
            state[i, 1] = 0
        }
        for (place, index) in visible(to: block, of: chunks).enumerated() {
            var scratch = scratch
            let chunk = chunks[index]
            let width = min(chunk.tokens.upperBound, block.tokens.upperBound) - chunk.tokens.lowerBound
            let scores = scratch.matrix(rows, width)
            multiply(query, chunk.turnedKeys[keyHead], inner: size, into: scores)
            for i in 0..<rows {
                let seen = min(width, max(0, block.tokens.lowerBound + i + 1 - chunk.tokens.lowerBound))
                if seen > 0 {
                    let old = state[i, 0]
                    let largest = max(old, scores.largest(row: i, count: seen) * scale)
                    let kept = old == -.infinity ? 0 : exp(old - largest)
                    if kept != 1, old != -.infinity { output.scale(row: i, by: kept) }
                    state[i, 0] = largest
                    state[i, 1] =
                        state[i, 1] * kept + scores.exponentiate(row: i, count: seen, scale: scale, shift: largest)
                }
                scores.clear(row: i, from: seen)
            }
            let weights = scratch.makeRows(rows: rows, columns: width)
            weights.fill(scores)
            multiply(
                weights, chunk.plainValues[keyHead], inner: width, into: output, accumulate: place > 0)
        }
        let target = o.rows(block.tokens).columns(own)
        for i in 0..<rows {
            output.scale(row: i, by: 1 / state[i, 1])
            logSum[block.tokens.lowerBound + i, block.head] = state[i, 0] + log(state[i, 1])
        }
        target.copy(from: output)
    }

    func backwardPacked(
        _ dOutput: MatrixView, q: MatrixView, k: MatrixView, v: MatrixView, o: MatrixView, logSum: MatrixView,
        segments: [Segment], dq: MatrixView, dk: MatrixView, dv: MatrixView, arena: Arena, on workers: Workers
    ) {
        let (chunks, spans) = chunks(segments)
        var room = operandRoom(tokens: k.rows, segments: segments.count, turned: 2, plain: 1, arena)
        let packs = chunks.map { chunk in
            var chunk = chunk
            for _ in 0..<keyHeads {
                chunk.turnedKeys.append(room.makeColumns(inner: size, columns: chunk.tokens.count))
                chunk.plainKeys.append(room.makeColumns(inner: chunk.tokens.count, columns: size))
                chunk.turnedValues.append(room.makeColumns(inner: size, columns: chunk.tokens.count))
            }
            return chunk
        }
        workers.run(packs.count * keyHeads) { index, _ in
            let (chunk, head) = (packs[index / keyHeads], index % keyHeads)
            let (keys, values) = (
                k.rows(chunk.tokens).columns(columns(head)), v.rows(chunk.tokens).columns(columns(head))
            )
            chunk.turnedKeys[head].fill(transposed: keys)
            chunk.plainKeys[head].fill(keys)
            chunk.turnedValues[head].fill(transposed: values)
        }
        let group = heads / keyHeads
        let (dkParts, dvParts) =
            group == 1 ? (dk, dv) : (arena.matrix(q.rows, heads * size), arena.matrix(q.rows, heads * size))
        let families = Segment.families(segments)
        workers.run(families.count * heads) { index, worker in
            let (family, head) = (families[index / heads], index % heads)
            let (dkOwn, dvOwn) = (dkParts.columns(columns(head)), dvParts.columns(columns(head)))
            for segment in family {
                dkOwn.rows(segments[segment].tokens).fill(0)
                dvOwn.rows(segments[segment].tokens).fill(0)
                for block in blocks(segments[segment], spans[segment], of: head..<head + 1) {
                    backward(block, packs, dOutput, q, o, logSum, dq, dkOwn, dvOwn, workers.scratch(worker))
                }
            }
        }
        if group > 1 { addParts([(dk, dkParts), (dv, dvParts)], on: workers) }
    }

    private func backward(
        _ block: Block, _ chunks: [Chunk], _ dOutput: MatrixView, _ q: MatrixView, _ o: MatrixView,
        _ logSum: MatrixView, _ dq: MatrixView, _ dk: MatrixView, _ dv: MatrixView, _ scratch: Scratch
    ) {
        var scratch = scratch
        let (rows, own, keyHead) = (block.tokens.count, columns(block.head), block.head / (heads / keyHeads))
        let (qOwn, dOwn) = (q.rows(block.tokens).columns(own), dOutput.rows(block.tokens).columns(own))
        let query = scratch.makeRows(rows: rows, columns: size), dLeft = scratch.makeRows(rows: rows, columns: size)
        let queryRight = scratch.makeColumns(inner: rows, columns: size)
        let dRight = scratch.makeColumns(inner: rows, columns: size)
        query.fill(qOwn)
        dLeft.fill(dOwn)
        queryRight.fill(qOwn)
        dRight.fill(dOwn)
        let oOwn = o.rows(block.tokens).columns(own)
        let dQuery = scratch.matrix(rows, size)
        for (place, index) in visible(to: block, of: chunks).enumerated() {
            var scratch = scratch
            let chunk = chunks[index]
            let width = min(chunk.tokens.upperBound, block.tokens.upperBound) - chunk.tokens.lowerBound
            let keys = chunk.tokens.lowerBound..<chunk.tokens.lowerBound + width
            let p = scratch.matrix(rows, width), ds = scratch.matrix(rows, width)
            multiply(query, chunk.turnedKeys[keyHead], inner: size, into: p)
            multiply(dLeft, chunk.turnedValues[keyHead], inner: size, into: ds)
            for i in 0..<rows {
                let token = block.tokens.lowerBound + i
                let seen = min(width, max(0, token + 1 - keys.lowerBound))
                ds.softmaxBackward(
                    row: i, scores: p, scale: scale, shift: logSum[token, block.head],
                    delta: dOwn.dot(row: i, oOwn, row: i), count: seen)
                p.clear(row: i, from: seen)
                ds.clear(row: i, from: seen)
            }
            let turned = scratch.makeRows(rows: width, columns: rows)
            turned.fill(transposed: p)
            multiply(turned, dRight, inner: rows, into: dv.rows(keys), accumulate: true)
            turned.fill(transposed: ds)
            multiply(turned, queryRight, inner: rows, into: dk.rows(keys), accumulate: true)
            let left = scratch.makeRows(rows: rows, columns: width)
            left.fill(ds)
            multiply(
                left, chunk.plainKeys[keyHead], inner: width, into: dQuery, accumulate: place > 0)
        }
        dq.rows(block.tokens).columns(own).copy(from: dQuery)
    }

    /// Room for so many operands of every chunk and head of keys: by tokens and segments alone, and never less for more of them,
    /// so that an arena measured for the largest batch serves all.
    private func operandRoom(tokens: Int, segments: Int, turned: Int, plain: Int, _ arena: Arena) -> Scratch {
        let chunks = tokens / Self.keys + segments
        let turnedWords = (size + 1) / 2 * (tokens + 15 * chunks)
        let plainWords = (tokens + chunks) / 2 * ((size + 15) / 16 * 16)
        return arena.scratch(floats: keyHeads * (turned * turnedWords + plain * plainWords + 16 * chunks))
    }

    /// The chunks of all segments, and those of each: of its prefix, and its own.
    private func chunks(_ segments: [Segment]) -> (chunks: [Chunk], spans: [(prefix: Range<Int>, own: Range<Int>)]) {
        var chunks: [Chunk] = []
        var spans: [(prefix: Range<Int>, own: Range<Int>)] = []
        for family in Segment.families(segments) {
            for segment in segments[family] {
                let first = chunks.count
                for start in stride(from: segment.tokens.lowerBound, to: segment.tokens.upperBound, by: Self.keys) {
                    chunks.append(Chunk(tokens: start..<min(segment.tokens.upperBound, start + Self.keys)))
                }
                spans.append((segment.prefix.isEmpty ? 0..<0 : spans[family.lowerBound].own, first..<chunks.count))
            }
        }
        return (chunks, spans)
    }

    /// The chunks that a block sees in part or whole, those of its prefix first.
    private func visible(to block: Block, of chunks: [Chunk]) -> [Int] {
        block.prefix + block.own.prefix { chunks[$0].tokens.lowerBound < block.tokens.upperBound }
    }

    /// The blocks of a segment's queries, for all heads or some.
    private func blocks(
        _ segment: Segment, _ span: (prefix: Range<Int>, own: Range<Int>), of heads: Range<Int>? = nil
    ) -> [Block] {
        (heads ?? 0..<self.heads).flatMap { head in
            stride(from: segment.tokens.lowerBound, to: segment.tokens.upperBound, by: Self.queries).map {
                Block(
                    prefix: span.prefix, own: span.own,
                    tokens: $0..<min(segment.tokens.upperBound, $0 + Self.queries), head: head)
            }
        }
    }
}
