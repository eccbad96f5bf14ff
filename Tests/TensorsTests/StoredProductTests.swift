import Tensors
import Testing

@Suite struct StoredProductTests {
    static let formats = StorageFormat.allCases

    /// Tokens, inputs and outputs, inputs in blocks of 256 for the formats that need them.
    private func shapes(_ format: StorageFormat) -> [(tokens: Int, inputs: Int, outputs: Int)] {
        switch format.blockElements {
        case 1:
            [
                (1, 1, 1), (1, 47, 17), (15, 48, 49), (17, 257, 16), (513, 15, 255), (49, 16, 513), (16, 2049, 15),
                (3, 511, 257), (47, 4097, 3), (600, 7, 270),
            ]
        case 32: [(1, 32, 1), (17, 96, 257), (513, 32, 47), (47, 2080, 16), (5, 288, 513)]
        default: [(1, 256, 1), (17, 256, 257), (513, 256, 17), (15, 2304, 48), (5, 768, 255)]
        }
    }

    @Test(arguments: formats) func widensRowsInTheOrderOfReading(_ format: StorageFormat) {
        var random = Seeded(UInt64(format.rawValue))
        for (headSize, offset) in [(nil, 0), (nil, 1), (8, 0), (2, 3)] as [(Int?, Int)] {
            let sample = StoredSample(
                format, rows: 16, columns: 512, headSize: headSize, offset: offset, random: &random)
            #expect(sample.weight.values.map(\.bitPattern) == sample.values.map(\.bitPattern))
            #expect(sample.weight.byteCount == 16 * format.byteCount(elements: 512))
            let arena = Arena(bytes: 4096)
            let row = arena.matrix(1, 512)
            sample.weight.copyRow(11, into: row, row: 0)
            #expect(row.elements == Array(sample.values[11 * 512..<12 * 512]))
        }
    }

    @Test(arguments: formats) func forwardAgreesWithPlainSums(_ format: StorageFormat) {
        var random = Seeded(100 + UInt64(format.rawValue))
        for (tokens, inputs, outputs) in shapes(format) {
            for variant in 0..<4 {
                let isInterleaved = variant == 3 && outputs % 2 == 0
                let w = StoredSample(
                    format, rows: outputs, columns: inputs, headSize: isInterleaved ? 2 : nil,
                    offset: variant == 2 ? 1 : 0, random: &random)
                let rank = 5
                let arena = Arena(bytes: (tokens * (inputs + 2 * outputs + rank) + outputs * (rank + 1)) * 4 + 8192)
                let x = arena.matrix(tokens, inputs, random.floats(tokens * inputs))
                let bias = variant % 2 == 1 ? arena.matrix(1, outputs, random.floats(outputs)) : nil
                let hidden = arena.matrix(tokens, rank, random.floats(tokens * rank))
                let b = arena.matrix(outputs, rank, random.floats(outputs * rank))
                let before = variant >= 2 ? random.floats(tokens * outputs) : nil
                let term = variant == 0 ? nil : LowRankTerm(hidden: hidden, b: b, scale: 0.75)

                var reference = Reference(rows: tokens, columns: outputs, filledWith: before)
                reference.add(
                    x.elements, transposed(w.values, rows: outputs, columns: inputs), inner: inputs)
                if let bias {
                    reference.add([Float](repeating: 1, count: tokens), bias.elements, inner: 1)
                }
                if term != nil {
                    reference.add(
                        hidden.elements, transposed(b.elements, rows: outputs, columns: rank), inner: rank, factor: 0.75
                    )
                }
                _ = checkSameForAllWorkers { workers in
                    let mark = arena.mark
                    defer { arena.release(to: mark) }
                    let y = before.map { arena.matrix(tokens, outputs, $0) } ?? arena.poisoned(tokens, outputs)
                    multiply(
                        x,
                        [
                            ForwardProduct(
                                weight: w.weight, bias: bias, lowRank: term, output: y, accumulate: before != nil)
                        ], on: workers)
                    let error = reference.worstError(y.elements)
                    #expect(error < sumTolerance(inputs + rank), "\(format) \(tokens)×\(inputs)×\(outputs), \(variant)")
                    return bits(y)
                }
            }
        }
    }

    @Test(arguments: formats) func backwardAgreesWithPlainSums(_ format: StorageFormat) {
        var random = Seeded(200 + UInt64(format.rawValue))
        for (tokens, inputs, outputs) in shapes(format) {
            for isAdded in [false, true] {
                let w = StoredSample(format, rows: outputs, columns: inputs, offset: isAdded ? 1 : 0, random: &random)
                let w2 = StoredSample(format, rows: 3, columns: inputs, random: &random)
                let rank = 4
                let arena = Arena(bytes: (tokens * (2 * inputs + outputs + 3 + rank) + rank * inputs) * 4 + 8192)
                let dy = arena.matrix(tokens, outputs, random.floats(tokens * outputs))
                let dy2 = arena.matrix(tokens, 3, random.floats(tokens * 3))
                let dHidden = arena.matrix(tokens, rank, random.floats(tokens * rank))
                let a = arena.matrix(rank, inputs, random.floats(rank * inputs))
                let before = isAdded ? random.floats(tokens * inputs) : nil
                var reference = Reference(rows: tokens, columns: inputs, filledWith: before)
                reference.add(dy.elements, w.values, inner: outputs)
                reference.add(dy2.elements, w2.values, inner: 3)
                reference.add(dHidden.elements, a.elements, inner: rank)
                _ = checkSameForAllWorkers { workers in
                    let mark = arena.mark
                    defer { arena.release(to: mark) }
                    let dx = before.map { arena.matrix(tokens, inputs, $0) } ?? arena.poisoned(tokens, inputs)
                    multiplyBackward(
                        [
                            BackwardProduct(dOutput: dy, weight: w.weight),
                            BackwardProduct(dOutput: dy2, weight: w2.weight),
                        ], lowRank: (dHidden, a), mask: nil, into: dx, accumulate: isAdded, on: workers)
                    let error = reference.worstError(dx.elements)
                    #expect(error < sumTolerance(outputs + 3 + rank), "\(format) \(tokens)×\(inputs)×\(outputs)")
                    return bits(dx)
                }
            }
        }
    }

    @Test func manyOutputsAreAddedInPieces() {
        var random = Seeded(7)
        let (tokens, inputs, outputs) = (3, 33, 4099)
        for format in [StorageFormat.f32, .bf16] {
            let w = StoredSample(format, rows: outputs, columns: inputs, random: &random)
            let arena = Arena(bytes: 1 << 20)
            let dy = arena.matrix(tokens, outputs, random.floats(tokens * outputs))
            var reference = Reference(rows: tokens, columns: inputs)
            reference.add(dy.elements, w.values, inner: outputs)
            _ = checkSameForAllWorkers { workers in
                let dx = arena.poisoned(tokens, inputs)
                multiplyBackward(
                    [BackwardProduct(dOutput: dy, weight: w.weight)], lowRank: nil, mask: nil, into: dx,
                    accumulate: false, on: workers)
                #expect(reference.worstError(dx.elements) < sumTolerance(outputs))
                return bits(dx)
            }
        }
    }

    /// The widest rows of models in use, in the formats whose blocks must not be cut.
    @Test(arguments: [14_336, 28_672]) func veryWideRows(_ inputs: Int) {
        var random = Seeded(UInt64(inputs))
        let (tokens, outputs) = (2, 19)
        for format in [StorageFormat.bf16, .q4_K, .q6_K, .q4_1] {
            let w = StoredSample(format, rows: outputs, columns: inputs, random: &random)
            let arena = Arena(bytes: 1 << 21)
            let x = arena.matrix(tokens, inputs, random.floats(tokens * inputs))
            let dy = arena.matrix(tokens, outputs, random.floats(tokens * outputs))
            var forward = Reference(rows: tokens, columns: outputs)
            forward.add(x.elements, transposed(w.values, rows: outputs, columns: inputs), inner: inputs)
            var backward = Reference(rows: tokens, columns: inputs)
            backward.add(dy.elements, w.values, inner: outputs)
            _ = checkSameForAllWorkers { workers in
                let mark = arena.mark
                defer { arena.release(to: mark) }
                let (y, dx) = (arena.poisoned(tokens, outputs), arena.poisoned(tokens, inputs))
                multiply(x, [ForwardProduct(weight: w.weight, output: y)], on: workers)
                multiplyBackward(
                    [BackwardProduct(dOutput: dy, weight: w.weight)], lowRank: nil, mask: nil, into: dx,
                    accumulate: false, on: workers)
                #expect(forward.worstError(y.elements) < sumTolerance(inputs))
                #expect(backward.worstError(dx.elements) < sumTolerance(outputs))
                return bits(y) + bits(dx)
            }
            let workers = Workers(count: 1)
            var rows: [Int] = []
            var seen: [Float] = []
            forEachPanel(of: w.weight, rows: 1..<outputs, on: workers, worker: 0) { range, panel, tile in
                rows += range
                seen += panel.elements
                #expect(tile.columns == range.count && tile.rows >= 256)
            }
            #expect(rows == Array(1..<outputs) && seen == Array(w.values[inputs...]))
        }
    }

    @Test func noTokensAreNoWork() {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let arena = Arena(bytes: 4096)
        let weight = StoredMatrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6])
        let (x, y) = (arena.matrix(0, 2), arena.matrix(0, 3))
        multiply(x, [ForwardProduct(weight: weight, output: y)], on: workers)
        multiplyBackward(
            [BackwardProduct(dOutput: y, weight: weight)], lowRank: nil, mask: nil, into: x, accumulate: false,
            on: workers)
        #expect(y.elements.isEmpty && x.elements.isEmpty)
    }
}
