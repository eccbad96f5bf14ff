import Foundation
import Tensors

/// The same attention from inputs rounded to bf16, block by block of queries and keys, so that scores never leave the cache
/// (online softmax: Milakov & Gimelshein 2018; blocks and backward: Dao et al. 2022).
extension Attention {
    /// Queries of a block, and keys of a chunk: whole blocks of the kernel.
    private static let queries = 64, keys = 384

    /// A chunk of one example's keys, with its operands for every head of keys.
    private struct Chunk {
        /// Tokens of the batch.
        let tokens: Range<Int>
        /// kᵀ, k, v and vᵀ as right operands, by head of keys.
        var turnedKeys: [PackedColumns] = [], plainKeys: [PackedColumns] = []
        var plainValues: [PackedColumns] = [], turnedValues: [PackedColumns] = []
    }

    /// A block of queries of one head.
    private struct Block {
        let chunks: Range<Int>
        let tokens: Range<Int>
        let head: Int
    }

    func forwardPacked(
        q: MatrixView, k: MatrixView, v: MatrixView, examples: [Range<Int>], into o: MatrixView, logSum: MatrixView,
        arena: Arena, on workers: Workers
    ) {
        let (chunks, spans) = chunks(examples)
        var room = operandRoom(tokens: k.rows, examples: examples.count, turned: 1, plain: 1, arena)
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
        let blocks = blocks(examples, spans)
        workers.run(blocks.count) { index, worker in
            forward(blocks[index], packs, q, o, logSum, workers.scratch(worker))
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
        for chunk in chunks[block.chunks] where chunk.tokens.lowerBound < block.tokens.upperBound {
            var scratch = scratch
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
                weights, chunk.plainValues[keyHead], inner: width, into: output,
                accumulate: chunk.tokens.lowerBound != chunks[block.chunks.lowerBound].tokens.lowerBound)
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
        examples: [Range<Int>], dq: MatrixView, dk: MatrixView, dv: MatrixView, arena: Arena, on workers: Workers
    ) {
        let (chunks, spans) = chunks(examples)
        var room = operandRoom(tokens: k.rows, examples: examples.count, turned: 2, plain: 1, arena)
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
        workers.run(examples.count * heads) { index, worker in
            let (example, head) = (examples[index / heads], index % heads)
            let (dkOwn, dvOwn) = (dkParts.columns(columns(head)), dvParts.columns(columns(head)))
            dkOwn.rows(example).fill(0)
            dvOwn.rows(example).fill(0)
            for start in stride(from: example.lowerBound, to: example.upperBound, by: Self.queries) {
                let tokens = start..<min(example.upperBound, start + Self.queries)
                backward(
                    Block(chunks: spans[index / heads], tokens: tokens, head: head), packs, dOutput, q, o, logSum, dq,
                    dkOwn,
                    dvOwn, workers.scratch(worker))
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
        for chunk in chunks[block.chunks] where chunk.tokens.lowerBound < block.tokens.upperBound {
            var scratch = scratch
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
                left, chunk.plainKeys[keyHead], inner: width, into: dQuery,
                accumulate: chunk.tokens.lowerBound != chunks[block.chunks.lowerBound].tokens.lowerBound)
        }
        dq.rows(block.tokens).columns(own).copy(from: dQuery)
    }

    /// Room for so many operands of every chunk and head of keys: by tokens and examples alone, and never less for more of them,
    /// so that an arena measured for the largest batch serves all.
    private func operandRoom(tokens: Int, examples: Int, turned: Int, plain: Int, _ arena: Arena) -> Scratch {
        let chunks = tokens / Self.keys + examples
        let turnedWords = (size + 1) / 2 * (tokens + 15 * chunks)
        let plainWords = (tokens + chunks) / 2 * ((size + 15) / 16 * 16)
        return arena.scratch(floats: keyHeads * (turned * turnedWords + plain * plainWords + 16 * chunks))
    }

    /// The chunks of all examples, and those of each.
    private func chunks(_ examples: [Range<Int>]) -> (chunks: [Chunk], spans: [Range<Int>]) {
        var chunks: [Chunk] = []
        let spans = examples.map { example in
            let first = chunks.count
            for start in stride(from: example.lowerBound, to: example.upperBound, by: Self.keys) {
                chunks.append(Chunk(tokens: start..<min(example.upperBound, start + Self.keys)))
            }
            return first..<chunks.count
        }
        return (chunks, spans)
    }

    /// All blocks of queries; the longest examples' last blocks, which see most keys, come first.
    private func blocks(_ examples: [Range<Int>], _ spans: [Range<Int>]) -> [Block] {
        var blocks: [Block] = []
        for (example, span) in zip(examples, spans) {
            for head in 0..<heads {
                for start in stride(from: example.lowerBound, to: example.upperBound, by: Self.queries) {
                    blocks.append(
                        Block(
                            chunks: span, tokens: start..<min(example.upperBound, start + Self.queries), head: head))
                }
            }
        }
        return blocks
    }
}
