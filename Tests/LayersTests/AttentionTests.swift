import Foundation
import Layers
import Tensors
import Testing

@Suite struct AttentionTests {
    /// Heads, heads of keys and values, features of a head.
    static let shapes = [(4, 4, 8), (6, 2, 16), (9, 3, 64), (2, 1, 128), (3, 1, 5), (1, 1, 1)]

    /// Matrices of one call.
    private struct Tensors {
        let examples: [Range<Int>]
        let q: MatrixView, k: MatrixView, v: MatrixView, o: MatrixView, logSum: MatrixView

        init(lengths: [Int], heads: Int, keyHeads: Int, size: Int, _ arena: Arena, _ random: inout Seeded) {
            var ranges: [Range<Int>] = []
            for length in lengths {
                ranges.append((ranges.last?.upperBound ?? 0)..<(ranges.last?.upperBound ?? 0) + length)
            }
            examples = ranges
            let tokens = lengths.reduce(0, +)
            q = arena.random(tokens, heads * size, &random)
            k = arena.random(tokens, keyHeads * size, &random)
            v = arena.random(tokens, keyHeads * size, &random)
            o = arena.matrix(tokens, heads * size)
            logSum = arena.matrix(tokens, heads)
        }
    }

    /// Row t, head h of the output, and the log of its sum, by the definition.
    private func plain(
        _ x: Tensors, token: Int, head: Int, group: Int, size: Int
    ) -> (output: [Double], logSum: Double) {
        let example = x.examples.first { $0.contains(token) }!
        let shared = head / group * size
        let scores = (example.lowerBound...token).map { key in
            (0..<size).reduce(0.0) { $0 + Double(x.q[token, head * size + $1]) * Double(x.k[key, shared + $1]) }
                / Double(size).squareRoot()
        }
        let weights = scores.map { exp($0) }
        let sum = weights.reduce(0, +)
        let output = (0..<size).map { i in
            weights.indices.reduce(0.0) { $0 + weights[$1] / sum * Double(x.v[example.lowerBound + $1, shared + i]) }
        }
        return (output, log(sum))
    }

    private func bytes(_ tokens: Int, _ width: Int) -> Int { tokens * width * 4 * 14 + 65_536 }

    @Test(arguments: shapes) func forwardAndBackward(_ shape: (Int, Int, Int)) {
        let (heads, keyHeads, size) = shape
        var random = Seeded(UInt64(heads * 100 + size))
        let lengths = [1, 7, 64, 65, 131, 1]
        let tokens = lengths.reduce(0, +)
        let arena = Arena.poisoned(bytes: bytes(tokens, heads * size))
        let x = Tensors(lengths: lengths, heads: heads, keyHeads: keyHeads, size: size, arena, &random)
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size)
        let dOutput = arena.random(tokens, heads * size, &random)
        let (dq, dk, dv) = (
            arena.matrix(tokens, heads * size), arena.matrix(tokens, keyHeads * size),
            arena.matrix(tokens, keyHeads * size)
        )
        checkSameForAllWorkers { workers in
            attention.forward(
                q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum,
                arena: arena, on: workers)
            attention.backward(
                dOutput, q: x.q, k: x.k, v: x.v, o: x.o, logSum: x.logSum, segments: x.examples.map { Segment($0) },
                dq: dq, dk: dk,
                dv: dv, arena: arena, on: workers)
            return [x.o, x.logSum, dq, dk, dv].map(\.elements)
        }
        var worst = 0.0
        for token in 0..<tokens {
            for head in 0..<heads {
                let (output, logSum) = plain(x, token: token, head: head, group: heads / keyHeads, size: size)
                worst = max(worst, abs(Double(x.logSum[token, head]) - logSum))
                for i in 0..<size { worst = max(worst, abs(Double(x.o[token, head * size + i]) - output[i])) }
            }
        }
        #expect(worst < 2e-6, "outputs below 1, log sums below 6: worst error \(worst)")

        let workers = Workers(count: 1)
        // One feature a head leaves no gradient of q and k for the first token alone; norms stay above zero by the others.
        checkGradient(of: [("q", x.q, dq.elements), ("k", x.k, dk.elements), ("v", x.v, dv.elements)]) {
            attention.forward(
                q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum,
                arena: arena, on: workers)
            return inner(x.o, dOutput)
        }
    }

    /// So long that the scores of 64 queries no longer fit and blocks get shorter.
    @Test func longExample() {
        let (heads, size, length) = (2, 2, 4500)
        #expect(Workers.scoreFloats / length < 64)
        var random = Seeded(5)
        let lengths = [3, length]
        let tokens = length + 3
        let arena = Arena.poisoned(bytes: bytes(tokens, heads * size))
        let x = Tensors(lengths: lengths, heads: heads, keyHeads: 1, size: size, arena, &random)
        let attention = Attention(heads: heads, keyHeads: 1, size: size)
        let dOutput = arena.random(tokens, heads * size, &random)
        let (dq, dk, dv) = (arena.matrix(tokens, heads * size), arena.matrix(tokens, size), arena.matrix(tokens, size))
        let workers = Workers(count: 2)
        defer { workers.stop() }
        attention.forward(
            q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum, arena: arena,
            on: workers)
        attention.backward(
            dOutput, q: x.q, k: x.k, v: x.v, o: x.o, logSum: x.logSum, segments: x.examples.map { Segment($0) }, dq: dq,
            dk: dk, dv: dv,
            arena: arena, on: workers)
        let block = Workers.scoreFloats / length
        for token in [3, 3 + block - 1, 3 + block, 1000, tokens - 1] {
            let (output, logSum) = plain(x, token: token, head: 1, group: 2, size: size)
            #expect(abs(Double(x.logSum[token, 1]) - logSum) < 4e-6)
            for i in 0..<size { #expect(abs(Double(x.o[token, size + i]) - output[i]) < 2e-6) }
        }
        checkGradient(of: [("q", x.q, dq.elements), ("k", x.k, dk.elements), ("v", x.v, dv.elements)]) {
            attention.forward(
                q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum,
                arena: arena, on: workers)
            return inner(x.o, dOutput)
        }
    }

    /// Whatever stands in another example, NaN included, and whatever comes later in one's own.
    @Test func seesNeitherOtherExamplesNorTheFuture() {
        var random = Seeded(6)
        let (heads, keyHeads, size) = (4, 2, 8)
        let lengths = [70, 5, 90]
        let arena = Arena.poisoned(bytes: bytes(165, heads * size))
        let x = Tensors(lengths: lengths, heads: heads, keyHeads: keyHeads, size: size, arena, &random)
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size)
        let workers = Workers(count: 1)
        attention.forward(
            q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum, arena: arena,
            on: workers)
        let before = x.o.elements
        for rows in [70..<75, 150..<165] {
            for matrix in [x.q, x.k, x.v] { matrix.rows(rows).fill(.nan) }
        }
        attention.forward(
            q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum, arena: arena,
            on: workers)
        for range in [0..<70, 75..<139] {
            let expected = Array(before[range.lowerBound * heads * size..<range.upperBound * heads * size])
            #expect(x.o.rows(range).elements == expected)
        }
    }

    @Test func largeScoresDoNotOverflow() {
        var random = Seeded(7)
        let (heads, size) = (2, 4)
        let arena = Arena.poisoned(bytes: bytes(20, heads * size))
        let x = Tensors(lengths: [20], heads: heads, keyHeads: heads, size: size, arena, &random)
        for row in 0..<20 { x.q.scale(row: row, by: 1e4) }
        Attention(heads: heads, keyHeads: heads, size: size).forward(
            q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum, arena: arena,
            on: Workers(count: 1))
        #expect(x.o.firstNonFinite() == nil && x.o.elements.allSatisfy { abs($0) <= 1.000001 })
    }

    /// A token at a time over caches gives the last rows of the whole.
    @Test func cachedAgreesWithWhole() {
        var random = Seeded(8)
        let (heads, keyHeads, size) = (6, 2, 16)
        let lengths = [1, 33, 130]
        let arena = Arena.poisoned(bytes: bytes(164, heads * size))
        let x = Tensors(lengths: lengths, heads: heads, keyHeads: keyHeads, size: size, arena, &random)
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size)
        let (q, o) = (arena.matrix(3, heads * size), arena.matrix(3, heads * size))
        for (row, example) in x.examples.enumerated() {
            q.rows(row..<row + 1).copy(from: x.q.rows(example.upperBound - 1..<example.upperBound))
        }
        checkSameForAllWorkers { workers in
            attention.forward(
                q: x.q, k: x.k, v: x.v, segments: x.examples.map { Segment($0) }, into: x.o, logSum: x.logSum,
                arena: arena, on: workers)
            attention.forwardCached(
                q: q, caches: x.examples.map { KeyValueCache(keys: x.k.rows($0), values: x.v.rows($0)) },
                lengths: lengths, into: o, on: workers)
            return [o.elements]
        }
        for (row, example) in x.examples.enumerated() {
            let whole = x.o.rows(example.upperBound - 1..<example.upperBound).elements.map(Double.init)
            #expect(worstDifference(o.rows(row..<row + 1).elements, whole) < 1e-6)
        }
    }
}
