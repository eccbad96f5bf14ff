import Layers
import Tensors
import Testing

@Suite struct ProjectionGroupTests {
    /// A group with its slab: for each projection its outputs and its rank, 0 where it is not adapted.
    private struct Sample {
        let group: ProjectionGroup
        let slab: ParameterSlab
        let sums: ExactSums
        let weights: [[Float]], biases: [[Float]?]
        let outputs: [Int]

        init(inputs: Int, _ projections: [(outputs: Int, rank: Int)], hasBias: Bool, _ random: inout Seeded) {
            var layout = ParameterLayout()
            let adapted = projections.indices.filter { projections[$0].rank > 0 }
            let a = adapted.map { layout.append("A\($0)", rows: projections[$0].rank, columns: inputs) }
            let b = adapted.map {
                layout.append("B\($0)", rows: projections[$0].outputs, columns: projections[$0].rank)
            }
            slab = ParameterSlab(layout)
            sums = ExactSums(layout)
            for entry in layout.entries.indices { slab[entry].copy(from: random.floats(layout.entries[entry].count)) }
            let weights = projections.map { random.floats($0.outputs * inputs) }
            let biases = projections.map { hasBias ? random.floats($0.outputs) : nil }
            group = ProjectionGroup(
                projections.enumerated().map { i, shape in
                    Projection(
                        name: "p\(i)",
                        weight: StoredMatrix(rows: shape.outputs, columns: inputs, values: weights[i]),
                        bias: biases[i].map { ConstantMatrix(columns: $0.count, values: $0) },
                        adapter: adapted.firstIndex(of: i).map {
                            Projection.Adapter(a: a[$0], b: b[$0], rank: shape.rank, scale: 0.5 + Float(i))
                        })
                })
            (self.weights, self.biases, outputs) = (weights, biases, projections.map(\.outputs))
        }

        /// Output i in Double: x Wᵀ + bias + scale · (dropped Aᵀ) Bᵀ.
        func plain(_ i: Int, x: MatrixView, dropped: MatrixView, usesAdapter: Bool) -> [Double] {
            let (tokens, inputs) = (x.rows, x.columns)
            func doubles(_ values: [Float]) -> [Double] { values.map(Double.init) }
            var y = productWithTranspose(
                doubles(x.elements), doubles(weights[i]), rows: tokens, inner: inputs, columns: outputs[i])
            if let bias = biases[i] { for j in y.indices { y[j] += Double(bias[j % outputs[i]]) } }
            guard usesAdapter, let adapter = group.projections[i].adapter else { return y }
            let hidden = productWithTranspose(
                doubles(dropped.elements), doubles(slab[adapter.a].elements), rows: tokens, inner: inputs,
                columns: adapter.rank)
            let term = productWithTranspose(
                hidden, doubles(slab[adapter.b].elements), rows: tokens, inner: adapter.rank, columns: outputs[i])
            for j in y.indices { y[j] += Double(adapter.scale) * term[j] }
            return y
        }
    }

    static let groups: [[(outputs: Int, rank: Int)]] = [
        [(17, 3)], [(48, 0)], [(300, 8)], [(33, 2), (33, 5)], [(16, 4), (40, 0)], [(40, 0), (16, 4)],
        [(64, 4), (16, 4), (16, 4)], [(65, 1), (17, 0), (17, 16)], [(20, 0), (10, 3), (10, 0)],
        [(9, 0), (9, 0), (9, 0)],
    ]

    @Test(arguments: groups.indices, [false, true]) func forwardAndBackward(_ index: Int, _ hasDropout: Bool) {
        var random = Seeded(UInt64(index))
        let projections = Self.groups[index]
        let (tokens, inputs) = (index == 2 ? 530 : 21, index % 2 == 0 ? 47 : 300)
        let sample = Sample(inputs: inputs, projections, hasBias: index % 3 != 0, &random)
        let (group, slab) = (sample.group, sample.slab)
        let keys = DropoutMask.TokenKeys(
            examples: (0..<UInt32(tokens)).map { $0 / 8 }, positions: (0..<UInt32(tokens)).map { $0 % 8 })
        let mask = hasDropout ? DropoutMask(probability: 0.3, seed: 1, purpose: 2, step: 3, tokens: keys) : nil
        let width = sample.outputs.reduce(0, +)
        let arena = Arena.poisoned(bytes: (tokens * (6 * inputs + 4 * width + 64) + 32 * (width + inputs)) * 4 + 65_536)
        let (x, dx) = (arena.random(tokens, inputs, &random), arena.matrix(tokens, inputs))
        let dropped = arena.matrix(tokens, inputs)
        let outputs = sample.outputs.map { arena.matrix(tokens, $0) }
        let dOutputs = sample.outputs.map { arena.random(tokens, $0, &random) }
        let saved = group.makeSaved(tokens: tokens, in: arena)
        #expect(group.inputs == inputs && group.isAdapted == projections.contains { $0.rank > 0 })
        #expect((saved.hidden == nil) == !group.isAdapted)

        checkSameForAllWorkers { workers in
            group.forward(
                RowSource(x), adapter: slab, mask: mask, into: outputs, saving: saved, arena: arena, on: workers)
            sample.sums.zero()
            group.backward(
                dOutputs.map(KeptMatrix.floats), x: RowSource(x), adapter: slab, mask: mask, from: saved,
                addingTo: sample.sums, into: dx, arena: arena, on: workers)
            return outputs.map(\.elements) + [dx.elements]
                + slab.layout.entries.indices.map { sample.sums.values(entry: $0) }
        }
        let workers = Workers(count: 1)
        dropped.copy(from: x)
        if let mask { for token in 0..<tokens { mask.apply(row: token, to: dropped.rows(token..<token + 1)) } }
        // Sums of `inputs` products of numbers below 1, and of low-rank terms that are up to a hundred times as large.
        let tolerance = 2e-4
        for i in outputs.indices {
            let expected = sample.plain(i, x: x, dropped: dropped, usesAdapter: true)
            #expect(worstDifference(outputs[i].elements, expected) < tolerance)
        }
        let gradients = slab.layout.entries.indices.map { i in
            (name: slab.layout.entries[i].name, value: slab[i], gradient: sample.sums.values(entry: i))
        }
        checkGradient(of: [("x", x, dx.elements)] + gradients) {
            group.forward(
                RowSource(x), adapter: slab, mask: mask, into: outputs, saving: saved, arena: arena, on: workers)
            return zip(outputs, dOutputs).reduce(0) { $0 + inner($1.0, $1.1) }
        }
        // Once more onto what is there, and without the adapter.
        for output in outputs { output.fill(1) }
        group.forward(
            RowSource(x), adapter: slab, mask: mask, into: outputs, accumulate: true, saving: saved, arena: arena,
            on: workers)
        for i in outputs.indices {
            let expected = sample.plain(i, x: x, dropped: dropped, usesAdapter: true).map { $0 + 1 }
            #expect(worstDifference(outputs[i].elements, expected) < tolerance)
        }
        group.forward(RowSource(x), adapter: nil, mask: nil, into: outputs, saving: saved, arena: arena, on: workers)
        for i in outputs.indices {
            let expected = sample.plain(i, x: x, dropped: dropped, usesAdapter: false)
            #expect(worstDifference(outputs[i].elements, expected) < tolerance)
        }
    }

    /// Micro-batches add up, and the gradient of the input may be left out.
    @Test func backwardAddsToSums() {
        var random = Seeded(77)
        let sample = Sample(inputs: 12, [(8, 2), (6, 3)], hasBias: false, &random)
        let workers = Workers(count: 1)
        let arena = Arena.poisoned(bytes: 1 << 18)
        let x = arena.random(5, 12, &random)
        let outputs = sample.outputs.map { arena.matrix(5, $0) }
        let dOutputs = sample.outputs.map { arena.random(5, $0, &random) }
        let saved = sample.group.makeSaved(tokens: 5, in: arena)
        sample.group.forward(
            RowSource(x), adapter: sample.slab, mask: nil, into: outputs, saving: saved, arena: arena, on: workers)
        func add() -> [Int64] {
            sample.group.backward(
                dOutputs.map(KeptMatrix.floats), x: RowSource(x), adapter: sample.slab, mask: nil, from: saved,
                addingTo: sample.sums, into: nil, arena: arena, on: workers)
            return sample.sums.withIntegers { Array($0) }
        }
        let once = add()
        #expect(once.contains { $0 != 0 })
        #expect(add() == once.map { 2 * $0 })
    }
}
