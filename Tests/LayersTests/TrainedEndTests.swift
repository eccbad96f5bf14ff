import Foundation
import Layers
import Tensors
import Testing

/// A head and an embedding whose tables are trained, and smoothed targets.
@Suite struct TrainedEndTests {
    /// A head over a table in a slab, with rows and targets.
    private struct Sample {
        let slab: ParameterSlab, sums: ExactSums
        let head: VocabularyHead
        let arena: Arena
        let h: MatrixView, losses: MatrixView, dh: MatrixView, logSums: MatrixView
        let targets: [Int32]
        /// Each row counts as often.
        let repeats: [Int]
        let factor: Float = 1 / 64

        init(_ vocabulary: Int, _ rows: Int, _ features: Int, _ precision: Precision) {
            var random = Seeded(UInt64(vocabulary + rows))
            var layout = ParameterLayout()
            _ = layout.append("before", rows: 3, columns: 5)
            _ = layout.append("table", rows: vocabulary, columns: features)
            slab = ParameterSlab(layout)
            sums = ExactSums(layout)
            slab[1].copy(from: random.floats(vocabulary * features))
            head = VocabularyHead(weight: slab.stored(1), precision: precision)
            arena = Arena.poisoned(
                bytes: 4 * (rows * (features * 40 + 2200) + vocabulary * 2 + 4096 * features) + (1 << 20))
            h = arena.random(rows, features, &random)
            (losses, dh, logSums) = (
                arena.matrix(rows, 1), arena.matrix(rows, features), arena.matrix(rows, 1)
            )
            targets = (0..<rows).map {
                $0 == 0 ? Int32(vocabulary - 1) : Int32.random(in: 0..<Int32(vocabulary), using: &random)
            }
            repeats = (0..<rows).map { $0 % 3 == 1 ? 2 : 1 }
        }

        func smoothing(_ share: Float, on workers: Workers) -> LabelSmoothing? {
            share > 0 ? LabelSmoothing(share: share, mean: head.meanRow(arena: arena, on: workers)) : nil
        }

        /// Runs forward and backward; dh is that of one repeat of each row.
        func run(_ share: Float, on workers: Workers) {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let smoothing = smoothing(share, on: workers)
            head.loss(
                h, targets: targets, into: losses, dh: dh, factor: factor, smoothing: smoothing, logSums: logSums,
                arena: arena, on: workers)
            head.backward(
                h, table: slab[1], targets: targets, logSums: logSums, factors: repeats.map { factor * Float($0) },
                smoothing: smoothing, addingTo: sums, entry: 1, arena: arena, on: workers)
        }

        /// Σ losses · repeats · factor, of which `run` gives the gradient.
        func loss(_ share: Float, on workers: Workers) -> Double {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            head.loss(
                h, targets: targets, into: losses, dh: nil, factor: factor, smoothing: smoothing(share, on: workers),
                arena: arena, on: workers)
            return zip(losses.elements, repeats).reduce(0) { $0 + Double(factor) * Double($1.0) * Double($1.1) }
        }
    }

    /// One block of the vocabulary and several, one chunk of rows and several.
    @Test(arguments: [(57, 9, 12), (1031, 300, 9), (2603, 40, 11)], [Float(0), 0.2])
    func gradientOfTheHead(_ shape: (Int, Int, Int), _ share: Float) {
        let sample = Sample(shape.0, shape.1, shape.2, .fp32)
        checkSameForAllWorkers { workers in
            sample.sums.zero()
            sample.run(share, on: workers)
            return [sample.losses.elements, sample.dh.elements, sample.sums.values(entry: 1)]
        }
        #expect(sample.sums.values(entry: 0).allSatisfy { $0 == 0 })
        let workers = Workers(count: 1)
        let dh = zip(
            sample.dh.elements,
            (0..<sample.dh.rows).flatMap { row in
                [Int](repeating: sample.repeats[row], count: shape.2)
            }
        ).map { $0 * Float($1) }
        checkGradient(of: [("h", sample.h, dh), ("E", sample.slab[1], sample.sums.values(entry: 1))]) {
            sample.loss(share, on: workers)
        }
    }

    /// (1 − ε)(lse − s_t) + ε(lse − mean s), as Transformers' LabelSmoother.
    @Test func smoothedLoss() {
        let sample = Sample(1031, 12, 9, .fp32)
        let workers = Workers(count: 2)
        _ = sample.loss(0.3, on: workers)
        let scores = productWithTranspose(
            sample.h.elements.map(Double.init), sample.slab[1].elements.map(Double.init), rows: 12, inner: 9,
            columns: 1031)
        let expected = (0..<12).map { row in
            let own = Array(scores[row * 1031..<(row + 1) * 1031])
            let logSum = log(own.reduce(0) { $0 + exp($1) })
            let mean = own.reduce(0, +) / 1031
            return 0.7 * (logSum - own[Int(sample.targets[row])]) + 0.3 * (logSum - mean)
        }
        #expect(worstDifference(sample.losses.elements, expected) < 4e-6)
    }

    /// Rounded inputs change the gradient by little, and it is the same for all workers.
    @Test(arguments: [Float(0), 0.1]) func inBF16(_ share: Float) {
        let (exact, rounded) = (Sample(2603, 70, 24, .fp32), Sample(2603, 70, 24, .bf16))
        exact.run(share, on: Workers(count: 1))
        checkSameForAllWorkers { workers in
            rounded.sums.zero()
            rounded.run(share, on: workers)
            return [rounded.losses.elements, rounded.dh.elements, rounded.sums.values(entry: 1)]
        }
        let (a, b) = (rounded.sums.values(entry: 1), exact.sums.values(entry: 1))
        let norm = b.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        #expect(difference > 0 && difference < 0.01 * norm, "\(difference) of \(norm)")
    }

    /// An arena that was measured for some rows serves fewer.
    @Test func fewerRowsNeedNoMoreMemory() {
        let sample = Sample(1500, 1, 4, .bf16)
        var before = 0
        for rows in Array(1...40) + [255, 256, 257, 511, 512, 513, 1300] {
            let arena = Arena.measuring()
            sample.head.backward(
                arena.matrix(rows, 4), table: sample.slab[1], targets: .init(repeating: 0, count: rows),
                logSums: arena.matrix(rows, 1), factors: .init(repeating: 0, count: rows), smoothing: nil,
                addingTo: sample.sums, entry: 1, arena: arena, on: .dry())
            #expect(arena.peak >= before, "\(rows) rows")
            before = arena.peak
        }
    }

    @Test func gradientOfTheEmbedding() {
        var random = Seeded(5)
        var layout = ParameterLayout()
        _ = layout.append("before", rows: 2, columns: 2)
        _ = layout.append("table", rows: 30, columns: 7)
        let (slab, sums) = (ParameterSlab(layout), ExactSums(layout))
        slab[1].copy(from: random.floats(210))
        let embedding = Embedding(weight: slab.stored(1))
        // Tokens 0 to 18, some many times.
        let tokens: [Int32] = (0..<90).map { Int32($0 * $0 % 19) }
        let arena = Arena.poisoned(bytes: 1 << 16)
        let (x, d, kept) = (arena.matrix(90, 7), arena.matrix(90, 7), arena.random(90, 7, &random))
        checkSameForAllWorkers { workers in
            sums.zero()
            d.copy(from: kept)
            embedding.backward(d, tokens, addingTo: sums, entry: 1, on: workers)
            return [sums.values(entry: 0), sums.values(entry: 1)]
        }
        #expect(sums.values(entry: 0) == [0, 0, 0, 0])
        var expected = [Double](repeating: 0, count: 210)
        for (t, token) in tokens.enumerated() {
            for i in 0..<7 { expected[Int(token) * 7 + i] += Double(kept[t, i]) }
        }
        #expect(worstDifference(sums.values(entry: 1), expected) < 1e-5)
        #expect(sums.values(entry: 1)[(19 * 7)...].allSatisfy { $0 == 0 })
        checkGradient(of: [("table", slab[1], sums.values(entry: 1))]) {
            embedding.forward(tokens, into: x, on: Workers(count: 1))
            return inner(x, kept)
        }
    }
}

/// Biases that are trained in the place of frozen ones.
@Suite struct TrainedBiasTests {
    /// Two projections of one input, the first adapted; both biases are trained.
    @Test(arguments: [Precision.fp32, .bf16]) func gradientOfBiases(_ precision: Precision) {
        var random = Seeded(11)
        let (tokens, inputs, outputs) = (150, 20, [33, 140])
        var layout = ParameterLayout()
        let a = layout.append("A", rows: 3, columns: inputs)
        let b = layout.append("B", rows: outputs[0], columns: 3)
        let biases = outputs.map { layout.append("bias", rows: 1, columns: $0) }
        let (slab, sums) = (ParameterSlab(layout), ExactSums(layout))
        for entry in layout.entries.indices { slab[entry].copy(from: random.floats(layout.entries[entry].count)) }
        let frozen = outputs.map { ConstantMatrix(columns: $0, values: random.floats($0)) }
        let group = ProjectionGroup(
            outputs.indices.map { i in
                Projection(
                    name: "p\(i)",
                    weight: StoredMatrix(
                        rows: outputs[i], columns: inputs, values: random.floats(outputs[i] * inputs)),
                    bias: frozen[i], adapter: i == 0 ? .init(a: a, b: b, rank: 3, scale: 0.5) : nil,
                    trainedBias: biases[i])
            }, precision: precision)
        #expect(group.isAdapted)
        let arena = Arena.poisoned(bytes: 1 << 21)
        let (x, dx) = (arena.random(tokens, inputs, &random), arena.matrix(tokens, inputs))
        let y = outputs.map { arena.matrix(tokens, $0) }
        let dy = outputs.map { arena.random(tokens, $0, &random) }
        let saved = group.makeSaved(tokens: tokens, in: arena)
        func forward(_ slab: ParameterSlab?, on workers: Workers) {
            group.forward(
                RowSource(x), adapter: slab, mask: nil, into: y, saving: saved, arena: arena, on: workers)
        }
        for dx in [dx, nil] {
            checkSameForAllWorkers { workers in
                forward(slab, on: workers)
                sums.zero()
                group.backward(
                    dy.map(KeptMatrix.floats), x: RowSource(x), adapter: slab, mask: nil, from: saved,
                    addingTo: sums, into: dx, arena: arena, on: workers)
                return biases.map { sums.values(entry: $0) }
            }
            for i in outputs.indices {
                let expected = (0..<outputs[i]).map { j in (0..<tokens).reduce(0.0) { $0 + Double(dy[i][$1, j]) } }
                #expect(worstDifference(sums.values(entry: biases[i]), expected) < 1e-4)
            }
        }
        let workers = Workers(count: 1)
        if precision == .fp32 {
            checkGradient(of: biases.map { ("bias", slab[$0], sums.values(entry: $0)) }) {
                forward(slab, on: workers)
                return zip(y, dy).reduce(0) { $0 + inner($1.0, $1.1) }
            }
        }
        // With the adapter off, the base has its own biases again.
        let zero = ParameterSlab(layout)
        for i in outputs.indices { zero[biases[i]].copy(from: frozen[i].view) }
        forward(zero, on: workers)
        let expected = y.map(\.elements)
        forward(nil, on: workers)
        for i in outputs.indices { #expect(worstDifference(y[i].elements, expected[i].map(Double.init)) < 1e-5) }
    }
}
