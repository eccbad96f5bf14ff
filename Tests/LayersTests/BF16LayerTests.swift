import Foundation
import Layers
import Tensors
import Testing

/// Layers whose products take inputs rounded to bf16, beside the same layers in Float.
@Suite struct BF16LayerTests {
    /// ‖found − expected‖ / ‖expected‖.
    private func difference(_ found: [Float], _ expected: [Float]) -> Double {
        var (error, norm) = (0.0, 0.0)
        for (a, b) in zip(found, expected) {
            error += (Double(a) - Double(b)) * (Double(a) - Double(b))
            norm += Double(b) * Double(b)
        }
        return norm == 0 ? (error == 0 ? 0 : .infinity) : (error / norm).squareRoot()
    }

    static let lengths = [[1], [1, 7, 64, 65, 131, 1], [383, 3], [384], [385, 48], [800]]

    @Test(arguments: lengths, [(4, 4, 8), (6, 2, 16), (9, 3, 64), (2, 1, 128), (3, 1, 5)])
    func attention(_ lengths: [Int], _ shape: (Int, Int, Int)) {
        let (heads, keyHeads, size) = shape
        var random = Seeded(UInt64(heads * 100 + lengths.count))
        var examples: [Range<Int>] = []
        for length in lengths {
            let start = examples.last?.upperBound ?? 0
            examples.append(start..<start + length)
        }
        let tokens = lengths.reduce(0, +)
        let arena = Arena.poisoned(bytes: (tokens + 64) * (heads + 2) * (size + 16) * 4 * 24 + 65_536)
        let q = arena.random(tokens, heads * size, &random)
        let (k, v) = (arena.random(tokens, keyHeads * size, &random), arena.random(tokens, keyHeads * size, &random))
        let dOutput = arena.random(tokens, heads * size, &random)
        let (o, logSum) = (arena.matrix(tokens, heads * size), arena.matrix(tokens, heads))
        let dq = arena.matrix(tokens, heads * size)
        let (dk, dv) = (arena.matrix(tokens, keyHeads * size), arena.matrix(tokens, keyHeads * size))
        func results(_ precision: Precision, _ workers: Workers) -> [[Float]] {
            let attention = Attention(heads: heads, keyHeads: keyHeads, size: size, precision: precision)
            attention.forward(
                q: q, k: k, v: v, segments: examples.map { Segment($0) }, into: o, logSum: logSum, arena: arena,
                on: workers)
            attention.backward(
                dOutput, q: q, k: k, v: v, o: o, logSum: logSum, segments: examples.map { Segment($0) }, dq: dq, dk: dk,
                dv: dv,
                arena: arena, on: workers)
            return [o, logSum, dq, dk, dv].map(\.elements)
        }
        checkSameForAllWorkers { results(.bf16, $0) }
        let workers = Workers(count: 1)
        let (found, expected) = (results(.bf16, workers), results(.fp32, workers))
        // A bf16 number is off by up to 2⁻⁹ of itself; scores, probabilities and their gradients are rounded once each. Of a
        // lone token, q and k have no gradient but the rounding of the probability's.
        for (name, index) in [("o", 0), ("logSum", 1), ("dq", 2), ("dk", 3), ("dv", 4)] {
            if tokens == 1, index == 2 || index == 3 {
                #expect(found[index].allSatisfy { abs($0) < 0.02 })
            } else if tokens == 1, index == 1 {
                #expect(zip(found[1], expected[1]).allSatisfy { abs($0 - $1) < 0.02 })
            } else {
                let error = difference(found[index], expected[index])
                #expect(error < 0.01, "\(name): \(error)")
            }
        }
    }

    /// Whatever stands in another example, NaN included, and whatever comes later in one's own beyond the block at hand.
    @Test func attentionSeesNeitherOtherExamplesNorTheFuture() {
        var random = Seeded(6)
        let (heads, keyHeads, size) = (4, 2, 8)
        let examples = [0..<70, 70..<75, 75..<565]
        let arena = Arena.poisoned(bytes: 1 << 21)
        let q = arena.random(565, heads * size, &random)
        let (k, v) = (arena.random(565, keyHeads * size, &random), arena.random(565, keyHeads * size, &random))
        let (o, logSum) = (arena.matrix(565, heads * size), arena.matrix(565, heads))
        let attention = Attention(heads: heads, keyHeads: keyHeads, size: size, precision: .bf16)
        let workers = Workers(count: 1)
        func run() -> [Float] {
            attention.forward(
                q: q, k: k, v: v, segments: examples.map { Segment($0) }, into: o, logSum: logSum, arena: arena,
                on: workers)
            return o.elements
        }
        let before = run()
        for matrix in [q, k, v] { matrix.rows(70..<75).fill(.nan) }
        for matrix in [q, k, v] { matrix.rows(500..<565).fill(3) }
        let after = run()
        for range in [0..<70, 75..<500] {
            let place: Range<Int> = range.lowerBound * heads * size..<range.upperBound * heads * size
            let isSame = Array(after[place]) == Array(before[place])
            #expect(isSame)
        }
        let changed = 500 * heads * size
        let differs = Array(after[changed...]) != Array(before[changed...])
        #expect(differs)
    }

    @Test(arguments: [0, 1, 2], [false, true]) func projections(_ index: Int, _ hasDropout: Bool) {
        let all: [[(outputs: Int, rank: Int)]] = [[(17, 3)], [(48, 2), (33, 5)], [(65, 1), (17, 0), (17, 16)]]
        let shapes = all[index]
        var random = Seeded(UInt64(index))
        let (tokens, inputs) = ([21, 530, 49][index], [47, 300, 96][index])
        var layout = ParameterLayout()
        let adapted = shapes.indices.filter { shapes[$0].rank > 0 }
        let a = adapted.map { layout.append("A\($0)", rows: shapes[$0].rank, columns: inputs) }
        let b = adapted.map { layout.append("B\($0)", rows: shapes[$0].outputs, columns: shapes[$0].rank) }
        let (slab, sums) = (ParameterSlab(layout), ExactSums(layout))
        for entry in layout.entries.indices { slab[entry].copy(from: random.floats(layout.entries[entry].count)) }
        let projections = shapes.enumerated().map { i, shape in
            Projection(
                name: "p\(i)",
                weight: StoredMatrix(
                    rows: shape.outputs, columns: inputs, values: random.floats(shape.outputs * inputs)),
                bias: index == 1 ? ConstantMatrix(columns: shape.outputs, values: random.floats(shape.outputs)) : nil,
                adapter: adapted.firstIndex(of: i).map {
                    Projection.Adapter(a: a[$0], b: b[$0], rank: shape.rank, scale: 0.5 + Float(i))
                })
        }
        let keys = DropoutMask.TokenKeys(
            examples: (0..<UInt32(tokens)).map { $0 / 8 }, positions: (0..<UInt32(tokens)).map { $0 % 8 })
        let mask = hasDropout ? DropoutMask(probability: 0.3, seed: 1, purpose: 2, step: 3, tokens: keys) : nil
        let arena = Arena.poisoned(bytes: tokens * (inputs + 200) * 4 * 12 + 1 << 20)
        let (x, dx) = (arena.random(tokens, inputs, &random), arena.matrix(tokens, inputs))
        let outputs = shapes.map { arena.matrix(tokens, $0.outputs) }
        let dOutputs = shapes.map { arena.random(tokens, $0.outputs, &random) }
        func results(_ precision: Precision, _ workers: Workers) -> [[Float]] {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let group = ProjectionGroup(projections, precision: precision)
            let saved = group.makeSaved(tokens: tokens, in: arena)
            for output in outputs { output.fill(0.5) }
            group.forward(
                RowSource(x), adapter: slab, mask: mask, into: outputs, accumulate: hasDropout, saving: saved,
                arena: arena,
                on: workers)
            sums.zero()
            group.backward(
                dOutputs.map(KeptMatrix.floats), x: RowSource(x), adapter: slab, mask: mask, from: saved,
                addingTo: sums, into: dx, arena: arena,
                on: workers)
            return outputs.map(\.elements) + [dx.elements] + layout.entries.indices.map { sums.values(entry: $0) }
        }
        checkSameForAllWorkers { results(.bf16, $0) }
        let workers = Workers(count: 1)
        for (found, expected) in zip(results(.bf16, workers), results(.fp32, workers)) {
            let error = difference(found, expected)
            #expect(error < 0.01, "\(error)")
        }
    }

    @Test(arguments: [(7, 1, 3), (257, 5, 16), (1031, 255, 9), (1031, 600, 9), (2603, 513, 11), (5003, 17, 24)])
    func vocabularyHead(_ shape: (Int, Int, Int)) {
        let (vocabulary, rows, features) = shape
        var random = Seeded(UInt64(vocabulary + rows))
        let weight = StoredMatrix(
            rows: vocabulary, columns: features, values: random.floats(vocabulary * features))
        let arena = Arena.poisoned(
            bytes: (rows * (features * 24 + 64) + vocabulary * (rows < 20 ? rows : 0)) * 8 + 1 << 19)
        let h = arena.random(rows, features, &random)
        let (losses, dh) = (arena.matrix(rows, 1), arena.matrix(rows, features))
        let targets = (0..<rows).map { Int32(($0 * 7919 + vocabulary - 1) % vocabulary) }
        func results(_ precision: Precision, _ workers: Workers) -> [[Float]] {
            VocabularyHead(weight: weight, precision: precision).loss(
                h, targets: targets, into: losses, dh: dh, factor: 1, arena: arena, on: workers)
            return [losses.elements, dh.elements]
        }
        checkSameForAllWorkers { results(.bf16, $0) }
        let workers = Workers(count: 1)
        let (found, expected) = (results(.bf16, workers), results(.fp32, workers))
        for index in 0..<2 {
            let error = difference(found[index], expected[index])
            #expect(error < 0.01, "\(index == 0 ? "losses" : "dh"): \(error)")
        }
        guard rows < 20 else { return }
        let logits = arena.matrix(rows, vocabulary)
        func scores(_ precision: Precision) -> [Float] {
            VocabularyHead(weight: weight, precision: precision).logits(h, into: logits, arena: arena, on: workers)
            return logits.elements
        }
        #expect(difference(scores(.bf16), scores(.fp32)) < 0.01)
    }
}
