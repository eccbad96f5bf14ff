import Layers
import Tensors
import Testing

/// Attention over prefixes that are there once, beside the same examples each with its prefix to itself.
@Suite struct SharedPrefixTests {
    /// A prefix and what each of its examples has after it; a prefix of no tokens leaves plain examples.
    typealias Family = (prefix: Int, own: [Int])

    static let batches: [[Family]] = [
        [(1, [1, 1])],
        [(20, [1, 7, 64, 65]), (0, [30, 1]), (383, [3, 1, 2]), (16, [1, 1])],
        [(0, [5]), (384, [1, 50]), (385, [131, 1])],
        [(800, [10, 390])],
    ]
    static let shapes = [(4, 4, 8), (6, 2, 16), (9, 3, 64), (3, 1, 5)]

    /// Rows of one layout for each other: every row of the unshared batch with the row of the shared one that it equals.
    private struct Layout {
        var shared: [Segment] = [], unshared: [Segment] = []
        var origin: [Int] = []
        var sharedTokens = 0

        init(_ families: [Family]) {
            for family in families {
                let prefix = sharedTokens..<sharedTokens + family.prefix
                if !prefix.isEmpty { shared.append(Segment(prefix)) }
                sharedTokens += family.prefix
                for own in family.own {
                    let rows = sharedTokens..<sharedTokens + own
                    shared.append(prefix.isEmpty ? Segment(rows) : Segment(rows, after: prefix))
                    sharedTokens += own
                    unshared.append(Segment(origin.count..<origin.count + family.prefix + own))
                    origin += Array(prefix) + Array(rows)
                }
            }
        }

        /// Spreads rows of the shared batch over the unshared one.
        func spread(_ x: MatrixView, into y: MatrixView) {
            for (row, from) in origin.enumerated() { y.rows(row..<row + 1).copy(from: x.rows(from..<from + 1)) }
        }

        /// Adds up rows of the unshared batch that are one in the shared batch.
        func gather(_ y: MatrixView, into x: MatrixView) {
            x.fill(0)
            for (row, to) in origin.enumerated() { x.add(row: to, y, row: row) }
        }
    }

    /// ‖found − expected‖ / ‖expected‖.
    private func difference(_ found: [Float], _ expected: [Float]) -> Double {
        var (error, norm) = (0.0, 0.0)
        for (a, b) in zip(found, expected) {
            error += (Double(a) - Double(b)) * (Double(a) - Double(b))
            norm += Double(b) * Double(b)
        }
        return error == 0 ? 0 : (error / norm).squareRoot()
    }

    private struct Inputs {
        let q: MatrixView, k: MatrixView, v: MatrixView, dOutput: MatrixView
    }

    /// o, logSum, dq, dk, dv.
    private func results(
        _ attention: Attention, _ x: Inputs, _ segments: [Segment], _ arena: Arena, _ workers: Workers
    ) -> [MatrixView] {
        let (rows, width, keyWidth) = (x.q.rows, x.q.columns, x.k.columns)
        let (o, logSum) = (arena.matrix(rows, width), arena.matrix(rows, attention.heads))
        let (dq, dk, dv) = (arena.matrix(rows, width), arena.matrix(rows, keyWidth), arena.matrix(rows, keyWidth))
        attention.forward(
            q: x.q, k: x.k, v: x.v, segments: segments, into: o, logSum: logSum, arena: arena, on: workers)
        attention.backward(
            x.dOutput, q: x.q, k: x.k, v: x.v, o: o, logSum: logSum, segments: segments, dq: dq, dk: dk, dv: dv,
            arena: arena, on: workers)
        return [o, logSum, dq, dk, dv]
    }

    @Test(arguments: batches.indices, shapes) func sameAsUnshared(_ index: Int, _ shape: (Int, Int, Int)) {
        let (heads, keyHeads, size) = shape
        let layout = Layout(Self.batches[index])
        var random = Seeded(UInt64(heads * 100 + index))
        let (tokens, all) = (layout.sharedTokens, layout.origin.count)
        let arena = Arena.poisoned(bytes: (all + 400) * (heads + 2) * (size + 16) * 4 * 48 + 65_536)
        let (width, keyWidth) = (heads * size, keyHeads * size)
        let whole = Inputs(
            q: arena.matrix(all, width), k: arena.matrix(all, keyWidth), v: arena.matrix(all, keyWidth),
            dOutput: arena.random(all, width, &random))
        let x = Inputs(
            q: arena.random(tokens, width, &random), k: arena.random(tokens, keyWidth, &random),
            v: arena.random(tokens, keyWidth, &random), dOutput: arena.matrix(tokens, width))
        for (from, to) in [(x.q, whole.q), (x.k, whole.k), (x.v, whole.v)] { layout.spread(from, into: to) }
        layout.gather(whole.dOutput, into: x.dOutput)

        let workers = Workers(count: 1)
        let exact = Attention(heads: heads, keyHeads: keyHeads, size: size)
        let wanted = results(exact, whole, layout.unshared, arena, workers)
        let mark = arena.mark
        for (precision, tolerance) in [(Precision.fp32, 1e-5), (.bf16, 0.01)] {
            let attention = Attention(heads: heads, keyHeads: keyHeads, size: size, precision: precision)
            checkSameForAllWorkers { workers in
                defer { arena.release(to: mark) }
                return results(attention, x, layout.shared, arena, workers).map(\.elements)
            }
            let found = results(attention, x, layout.shared, arena, workers)
            for (name, i) in [("o", 0), ("logSum", 1)] {
                let spread = arena.matrix(all, found[i].columns)
                layout.spread(found[i], into: spread)
                let error = difference(spread.elements, wanted[i].elements)
                #expect(error < tolerance, "\(precision) \(name): \(error)")
            }
            for (name, i) in [("dq", 2), ("dk", 3), ("dv", 4)] {
                let sum = arena.matrix(tokens, found[i].columns)
                layout.gather(wanted[i], into: sum)
                let error = difference(found[i].elements, sum.elements)
                #expect(error < tolerance, "\(precision) \(name): \(error)")
            }
            arena.release(to: mark)
        }
    }

    @Test func gradientThroughAPrefix() {
        let (heads, keyHeads, size) = (4, 2, 8)
        let layout = Layout([(0, [4]), (19, [5, 1, 70]), (17, [2, 2])])
        var random = Seeded(3)
        let arena = Arena.poisoned(bytes: 1 << 20)
        let tokens = layout.sharedTokens
        let x = Inputs(
            q: arena.random(tokens, heads * size, &random), k: arena.random(tokens, keyHeads * size, &random),
            v: arena.random(tokens, keyHeads * size, &random), dOutput: arena.random(tokens, heads * size, &random))
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size)
        let workers = Workers(count: 1)
        let found = results(attention, x, layout.shared, arena, workers)
        let gradients = [("q", x.q, found[2].elements), ("k", x.k, found[3].elements), ("v", x.v, found[4].elements)]
        checkGradient(of: gradients) {
            attention.forward(
                q: x.q, k: x.k, v: x.v, segments: layout.shared, into: found[0], logSum: found[1], arena: arena,
                on: workers)
            return inner(found[0], x.dOutput)
        }
    }

    /// Scores of 64 queries over a prefix of this length no longer fit, and blocks get shorter.
    @Test func longPrefix() {
        let (heads, size, prefix) = (2, 2, 4500)
        let layout = Layout([(prefix, [3, 70])])
        var random = Seeded(4)
        let (tokens, all) = (layout.sharedTokens, layout.origin.count)
        let arena = Arena.poisoned(bytes: 1 << 23)
        let x = Inputs(
            q: arena.random(tokens, heads * size, &random), k: arena.random(tokens, size, &random),
            v: arena.random(tokens, size, &random), dOutput: arena.matrix(tokens, heads * size))
        let whole = Inputs(
            q: arena.matrix(all, heads * size), k: arena.matrix(all, size), v: arena.matrix(all, size),
            dOutput: arena.random(all, heads * size, &random))
        for (from, to) in [(x.q, whole.q), (x.k, whole.k), (x.v, whole.v)] { layout.spread(from, into: to) }
        layout.gather(whole.dOutput, into: x.dOutput)
        let attention = Attention(heads: heads, keyHeads: 1, size: size)
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let found = results(attention, x, layout.shared, arena, workers)
        let wanted = results(attention, whole, layout.unshared, arena, workers)
        for i in 2...4 {
            let sum = arena.matrix(tokens, found[i].columns)
            layout.gather(wanted[i], into: sum)
            let error = difference(found[i].elements, sum.elements)
            #expect(error < 1e-5, "\(i): \(error)")
        }
    }

    /// Whatever stands in another family or with another example of the same prefix, NaN included.
    @Test(arguments: [Precision.fp32, .bf16]) func seesNoOtherExample(_ precision: Precision) {
        let (heads, keyHeads, size) = (4, 2, 8)
        let layout = Layout([(40, [9, 30, 5]), (0, [20]), (25, [8, 8])])
        var random = Seeded(5)
        let arena = Arena.poisoned(bytes: 1 << 21)
        let tokens = layout.sharedTokens
        let (q, k, v) = (
            arena.random(tokens, heads * size, &random), arena.random(tokens, keyHeads * size, &random),
            arena.random(tokens, keyHeads * size, &random)
        )
        let (o, logSum) = (arena.matrix(tokens, heads * size), arena.matrix(tokens, heads))
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size, precision: precision)
        let workers = Workers(count: 1)
        func run() -> [Float] {
            attention.forward(
                q: q, k: k, v: v, segments: layout.shared, into: o, logSum: logSum, arena: arena, on: workers)
            return o.elements
        }
        let before = run()
        // The second example of the first prefix, and the plain example.
        let spoiled = [49..<79, 84..<104]
        for rows in spoiled { for matrix in [q, k, v] { matrix.rows(rows).fill(.nan) } }
        let after = run()
        for row in 0..<tokens {
            let place = row * heads * size..<(row + 1) * heads * size
            if spoiled.contains(where: { $0.contains(row) }) {
                #expect(after[place].allSatisfy { $0.isNaN })
            } else {
                #expect(after[place] == before[place], "row \(row)")
            }
        }
    }
}
