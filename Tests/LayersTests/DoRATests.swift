import Layers
import Tensors
import Testing

/// Projections whose outputs DoRA scales, and whose weights PiSSA takes a product off.
@Suite struct DoRATests {
    private struct Sample {
        let projections: [Projection]
        let layout: ParameterLayout
        let slab: ParameterSlab, norms: ParameterSlab
        let initial: ParameterSlab?
        let sums: ExactSums
        let shapes: [(outputs: Int, rank: Int)]
        let inputs: Int
        var adapted: [Int] { shapes.indices.filter { shapes[$0].rank > 0 } }

        init(
            inputs: Int, _ shapes: [(outputs: Int, rank: Int)], isDoRA: Bool, isPiSSA: Bool, hasBias: Bool,
            _ random: inout Seeded
        ) {
            var (layout, normLayout) = (ParameterLayout(), ParameterLayout())
            let adapted = shapes.indices.filter { shapes[$0].rank > 0 }
            let a = adapted.map { layout.append("A\($0)", rows: shapes[$0].rank, columns: inputs) }
            let b = adapted.map { layout.append("B\($0)", rows: shapes[$0].outputs, columns: shapes[$0].rank) }
            let initial = isPiSSA ? ParameterSlab(layout) : nil
            let m = isDoRA ? adapted.map { layout.append("m\($0)", rows: 1, columns: shapes[$0].outputs) } : []
            for index in adapted { _ = normLayout.append("n\(index)", rows: 1, columns: shapes[index].outputs) }
            let (slab, norms) = (ParameterSlab(layout), ParameterSlab(normLayout))
            for entry in layout.entries.indices { slab[entry].copy(from: random.floats(layout.entries[entry].count)) }
            for entry in initial?.layout.entries.indices ?? 0..<0 {
                initial![entry].copy(from: random.floats(layout.entries[entry].count))
            }
            projections = shapes.enumerated().map { i, shape in
                Projection(
                    name: "p\(i)",
                    weight: StoredMatrix(
                        rows: shape.outputs, columns: inputs, values: random.floats(shape.outputs * inputs)),
                    bias: hasBias ? ConstantMatrix(columns: shape.outputs, values: random.floats(shape.outputs)) : nil,
                    adapter: adapted.firstIndex(of: i).map {
                        Projection.Adapter(
                            a: a[$0], b: b[$0], rank: shape.rank, scale: 0.5 + Float(i),
                            magnitude: isDoRA ? Projection.Magnitude(entry: m[$0], norms: norms, index: $0) : nil,
                            initial: initial)
                    })
            }
            (self.layout, self.slab, self.norms, self.initial) = (layout, slab, norms, initial)
            (sums, self.shapes, self.inputs) = (ExactSums(layout), shapes, inputs)
        }

        /// Output i in Double: m/n ∘ (x Wᵀ + scale · (dropped Aᵀ) Bᵀ − scale · (x A₀ᵀ) B₀ᵀ) + bias.
        func plain(_ i: Int, x: MatrixView, dropped: MatrixView) -> [Double] {
            func doubles(_ values: [Float]) -> [Double] { values.map(Double.init) }
            let (projection, outputs) = (projections[i], shapes[i].outputs)
            func product(_ x: [Double], _ w: [Double], _ inner: Int, _ columns: Int) -> [Double] {
                productWithTranspose(x, w, rows: dropped.rows, inner: inner, columns: columns)
            }
            var y = product(doubles(x.elements), doubles(projection.weight.values), inputs, outputs)
            if let adapter = projection.adapter {
                for (slab, x, sign) in [(slab, dropped, 1.0)] + (initial.map { [($0, x, -1.0)] } ?? []) {
                    let hidden = product(doubles(x.elements), doubles(slab[adapter.a].elements), inputs, adapter.rank)
                    let term = product(hidden, doubles(slab[adapter.b].elements), adapter.rank, outputs)
                    for j in y.indices { y[j] += sign * Double(adapter.scale) * term[j] }
                }
                if let magnitude = adapter.magnitude {
                    let place = adapted.firstIndex(of: i)!
                    let (m, n) = (slab[magnitude.entry].elements, norms[place].elements)
                    for j in y.indices { y[j] *= Double(m[j % outputs]) / Double(n[j % outputs]) }
                }
            }
            if let bias = projection.bias { for j in y.indices { y[j] += Double(bias.view[0, j % outputs]) } }
            return y
        }
    }

    private static let groups: [[(outputs: Int, rank: Int)]] = [
        [(17, 3)], [(300, 8)], [(33, 2), (20, 0), (33, 5)], [(20, 0), (10, 3)], [(64, 4), (16, 4), (16, 4)],
    ]

    @Test(arguments: groups.indices, [(true, false), (false, true), (true, true)])
    func forwardAndBackward(_ index: Int, _ kind: (isDoRA: Bool, isPiSSA: Bool)) {
        var random = Seeded(UInt64(index))
        let shapes = Self.groups[index]
        let (tokens, inputs) = (index == 1 ? 530 : 21, index % 2 == 0 ? 47 : 300)
        let sample = Sample(
            inputs: inputs, shapes, isDoRA: kind.isDoRA, isPiSSA: kind.isPiSSA, hasBias: index % 2 == 0, &random)
        let group = ProjectionGroup(sample.projections)
        let keys = DropoutMask.TokenKeys(
            examples: (0..<UInt32(tokens)).map { $0 / 8 }, positions: (0..<UInt32(tokens)).map { $0 % 8 })
        let mask = index == 2 ? DropoutMask(probability: 0.3, seed: 1, purpose: 2, step: 3, tokens: keys) : nil
        let arena = Arena.poisoned(bytes: tokens * (inputs + 320) * 4 * 20 + 1 << 20)
        let (x, dx, dropped) = (
            arena.random(tokens, inputs, &random), arena.matrix(tokens, inputs), arena.matrix(tokens, inputs)
        )
        let outputs = shapes.map { arena.matrix(tokens, $0.outputs) }
        let dOutputs = shapes.map { arena.random(tokens, $0.outputs, &random) }
        let saved = group.makeSaved(tokens: tokens, in: arena)
        func forward(_ workers: Workers, accumulate: Bool = false) {
            group.forward(
                RowSource(x), adapter: sample.slab, mask: mask, into: outputs, accumulate: accumulate, saving: saved,
                arena: arena, on: workers)
        }
        let before = dOutputs.map(\.elements)
        checkSameForAllWorkers { workers in
            group.prepare(sample.slab, on: workers)
            forward(workers)
            sample.sums.zero()
            group.backward(
                dOutputs.map(KeptMatrix.floats), x: RowSource(x), adapter: sample.slab, mask: mask, from: saved,
                addingTo: sample.sums, into: dx, arena: arena, on: workers)
            return outputs.map(\.elements) + [dx.elements]
                + sample.layout.entries.indices.map { sample.sums.values(entry: $0) }
        }
        #expect(dOutputs.map(\.elements) == before, "the gradient of the outputs was changed")
        let workers = Workers(count: 1)
        dropped.copy(from: x)
        if let mask { for token in 0..<tokens { mask.apply(row: token, to: dropped.rows(token..<token + 1)) } }
        let expected = outputs.indices.map { sample.plain($0, x: x, dropped: dropped) }
        for i in outputs.indices { #expect(worstDifference(outputs[i].elements, expected[i]) < 4e-4) }
        // The norms stay what they are, as the gradient takes them for constants.
        let gradients = sample.layout.entries.indices.map { i in
            (name: sample.layout.entries[i].name, value: sample.slab[i], gradient: sample.sums.values(entry: i))
        }
        checkGradient(of: [("x", x, dx.elements)] + gradients) {
            forward(workers)
            return zip(outputs, dOutputs).reduce(0) { $0 + inner($1.0, $1.1) }
        }
        for output in outputs { output.fill(1) }
        forward(workers, accumulate: true)
        for i in outputs.indices {
            #expect(worstDifference(outputs[i].elements, expected[i].map { $0 + 1 }) < 4e-4)
        }
    }

    /// Inputs of products rounded to bf16: near fp32, and the same bits for all workers.
    @Test(arguments: [0, 1, 2, 4], [(true, false), (false, true), (true, true)])
    func inBF16(_ index: Int, _ kind: (isDoRA: Bool, isPiSSA: Bool)) {
        var random = Seeded(UInt64(index) + 50)
        let shapes = Self.groups[index]
        let (tokens, inputs) = (index == 1 ? 300 : 37, 96)
        let sample = Sample(
            inputs: inputs, shapes, isDoRA: kind.isDoRA, isPiSSA: kind.isPiSSA, hasBias: index == 1, &random)
        let arena = Arena.poisoned(bytes: tokens * (inputs + 320) * 4 * 24 + 1 << 20)
        let (x, dx) = (arena.random(tokens, inputs, &random), arena.matrix(tokens, inputs))
        let outputs = shapes.map { arena.matrix(tokens, $0.outputs) }
        let dOutputs = shapes.map { arena.random(tokens, $0.outputs, &random) }
        func results(_ precision: Precision, _ workers: Workers) -> [[Float]] {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let group = ProjectionGroup(sample.projections, precision: precision)
            let saved = group.makeSaved(tokens: tokens, in: arena)
            for output in outputs { output.fill(0.5) }
            group.prepare(sample.slab, on: workers)
            group.forward(
                RowSource(x), adapter: sample.slab, mask: nil, into: outputs, accumulate: index == 2, saving: saved,
                arena: arena, on: workers)
            sample.sums.zero()
            group.backward(
                dOutputs.map(KeptMatrix.floats), x: RowSource(x), adapter: sample.slab, mask: nil, from: saved,
                addingTo: sample.sums, into: dx, arena: arena, on: workers)
            return outputs.map(\.elements) + [dx.elements]
                + sample.layout.entries.indices.map { sample.sums.values(entry: $0) }
        }
        checkSameForAllWorkers { results(.bf16, $0) }
        let workers = Workers(count: 1)
        for (found, expected) in zip(results(.bf16, workers), results(.fp32, workers)) {
            let size = expected.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let error = zip(found, expected).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
            #expect(error < 0.015 * size, "\(error / size)")
        }
    }

    /// A row of zeros gives nothing to multiply, and no NaN.
    @Test func rowsOfZeros() {
        var random = Seeded(9)
        let sample = Sample(inputs: 8, [(6, 2)], isDoRA: true, isPiSSA: false, hasBias: false, &random)
        let values = (0..<48).map { $0 < 8 ? Float(0) : 1 }
        let projection = Projection(
            name: "p", weight: StoredMatrix(rows: 6, columns: 8, values: values), bias: nil,
            adapter: sample.projections[0].adapter)
        sample.slab[1].fill(0)
        let group = ProjectionGroup([projection])
        let workers = Workers(count: 1)
        let arena = Arena.poisoned(bytes: 1 << 16)
        let (x, y, dy) = (arena.random(3, 8, &random), arena.matrix(3, 6), arena.random(3, 6, &random))
        let saved = group.makeSaved(tokens: 3, in: arena)
        group.prepare(sample.slab, on: workers)
        group.forward(
            RowSource(x), adapter: sample.slab, mask: nil, into: [y], saving: saved, arena: arena, on: workers)
        group.backward(
            [.floats(dy)], x: RowSource(x), adapter: sample.slab, mask: nil, from: saved, addingTo: sample.sums,
            into: nil, arena: arena, on: workers)
        #expect((0..<3).allSatisfy { y[$0, 0] == 0 && y[$0, 1] != 0 })
        for entry in 0..<3 { #expect(sample.sums.values(entry: entry).allSatisfy { $0.isFinite }) }
        #expect(!sample.sums.takePiece().sawNonFinite)
    }
}
