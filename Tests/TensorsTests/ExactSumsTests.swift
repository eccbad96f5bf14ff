import Tensors
import Testing

@Suite struct ExactSumsTests {
    /// Memory that was given back is zero, and there again when it is written.
    @Test func memoryGivenBack() {
        var layout = ParameterLayout()
        for name in ["a", "b"] { _ = layout.append(name, rows: 501, columns: 703) }
        let sums = ExactSums(layout)
        let arena = Arena(bytes: 501 * 703 * 4)
        let workers = Workers(count: 1)
        for _ in 0..<2 {
            let gradient = arena.matrix(501, 703)
            gradient.fill(0.5)
            for entry in 0..<2 { sums.add(gradient, to: entry..<entry + 1, on: workers) }
            #expect((0..<2).allSatisfy { sums.values(entry: $0).allSatisfy { $0 == 0.5 } })
            arena.giveBackMemory()
            sums.giveBackMemory()
            #expect((0..<2).allSatisfy { sums.values(entry: $0).allSatisfy { $0 == 0 } } && sums.takePiece() == .init())
        }
    }

    private func makeSums(_ rows: Int, _ columns: Int) -> ExactSums {
        var layout = ParameterLayout()
        _ = layout.append("first", rows: 1, columns: columns)
        _ = layout.append("a", rows: rows, columns: columns)
        return ExactSums(layout)
    }

    @Test func orderLeavesNoTrace() {
        var random = Seeded(1)
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let (rows, columns, count) = (3, 41, 60)
        let arena = Arena(bytes: 1 << 20)
        let gradients = (0..<count).map { i in
            arena.matrix(
                rows, columns,
                random.floats(rows * columns).map { $0 * Float(sign: .plus, exponent: -i / 2, significand: 1) })
        }
        var exact = [Double](repeating: 0, count: rows * columns)
        for gradient in gradients { for (i, value) in gradient.elements.enumerated() { exact[i] += Double(value) } }
        var first: [Int64]?
        for _ in 0..<20 {
            let sums = makeSums(rows, columns)
            for gradient in gradients.shuffled(using: &random) { sums.add(gradient, to: 1..<2, on: workers) }
            let integers = sums.withIntegers { Array($0) }
            #expect(integers == first ?? integers)
            first = integers
            #expect(integers[..<columns].allSatisfy { $0 == 0 })
            // Each summand is rounded to a multiple of 2⁻⁴⁸ once.
            for i in exact.indices {
                let found = sums.value(entry: 1, row: i / columns, column: i % columns)
                #expect(abs(found - exact[i]) <= Double(count) * 0x1p-49)
                #expect(sums.values(entry: 1)[i] == Float(found))
            }
            let piece = sums.takePiece()
            #expect(!piece.sawNonFinite && !piece.sawOutOfRange)
            let norm = exact.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(sums.norm - norm) < 1e-12 * norm)
        }
    }

    @Test func summandsRoundToEvenUnits() {
        let workers = Workers(count: 1)
        let arena = Arena(bytes: 4096)
        let units: [Float] = [0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 3, -7]
        let sums = makeSums(1, 8)
        sums.add(arena.matrix(1, 8, units.map { $0 * 0x1p-48 }), to: 1..<2, on: workers)
        #expect(sums.withIntegers { Array($0[8...]) } == [0, 2, 2, 0, -2, 0, 3, -7])
    }

    @Test(arguments: [0, 7, 16, 1030]) func whatIsNotANumberIsSeen(_ place: Int) {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let arena = Arena(bytes: 1 << 16)
        for (value, isFinite, isInside) in [
            (Float.nan, false, true), (.infinity, false, true), (-.infinity, false, true), (16_384, true, false),
            (-16_384, true, false), (1e30, true, false), (-.greatestFiniteMagnitude, true, false), (16_383, true, true),
            (-16_383, true, true), (0, true, true), (.leastNonzeroMagnitude, true, true),
        ] {
            let sums = makeSums(1, 1031)
            let gradient = arena.matrix(1, 1031)
            gradient.fill(0.5)
            gradient[0, place] = value
            sums.add(gradient, to: 1..<2, on: workers)
            let piece = sums.takePiece()
            #expect(piece.sawNonFinite == !isFinite && piece.sawOutOfRange == !isInside, "\(value)")
            #expect(piece.largest == (isFinite && isInside ? max(abs(value), 0.5) : 0.5))
            #expect(sums.takePiece() == ExactSums.Piece())
            sums.add(gradient, to: 1..<2, on: workers)
            sums.zero()
            #expect(sums.takePiece() == ExactSums.Piece() && sums.norm == 0)
            arena.reset()
        }
    }

    /// The reach is that of the largest summand of each piece, and no sum below its limit leaves 64 bits, however summands were
    /// dealt.
    @Test func reachBoundsSums() {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let arena = Arena(bytes: 1 << 20)
        for (value, pieces) in [(Float(16_383.5), 2), (-10_000, 3), (8_191.25, 4), (0x1p-20, 5)] {
            let sums = makeSums(3, 2000)
            var reach: Int64 = 0
            for _ in 0..<pieces {
                let gradient = arena.matrix(3, 2000)
                gradient.fill(value / 3)
                gradient[2, 1999] = value
                sums.add(gradient, to: 1..<2, on: workers)
                reach += sums.takePiece().reach
            }
            #expect(sums.takePiece() == ExactSums.Piece())
            let most = Double(abs(value)) * Double(pieces)
            #expect(Double(reach) / 65_536 >= most && Double(reach) / 65_536 - most <= Double(pieces) / 65_536)
            #expect((reach >= ExactSums.Piece.reachLimit) == (most >= 32_768))
            if reach < ExactSums.Piece.reachLimit {
                #expect(sums.value(entry: 1, row: 2, column: 1999) == Double(value) * Double(pieces))
            }
        }
    }

    @Test func severalEntriesTakeOneMatrix() {
        var layout = ParameterLayout()
        for rows in [1, 2, 3] { _ = layout.append("entry", rows: rows, columns: 2) }
        let sums = ExactSums(layout)
        let workers = Workers(count: 1)
        let arena = Arena(bytes: 4096)
        let gradient = arena.matrix(5, 2, (1...10).map(Float.init))
        sums.add(gradient, to: 1..<3, on: workers)
        #expect(sums.values(entry: 0) == [0, 0])
        #expect(sums.values(entry: 1) == [1, 2, 3, 4] && sums.values(entry: 2) == [5, 6, 7, 8, 9, 10])
    }
}
