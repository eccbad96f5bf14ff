import Tensors
import Testing

/// Rows that are made where they are read give what the same rows in memory give, bit by bit.
@Suite struct RowSourceTests {
    @Test(arguments: [(1, 1), (15, 47), (17, 16), (64, 33), (65, 577), (130, 1536)])
    func madeRowsEqualStoredRows(_ shape: (rows: Int, columns: Int)) {
        var random = Seeded(UInt64(shape.rows))
        let arena = Arena(bytes: 1 << 23)
        let x = arena.matrix(shape.rows, shape.columns, random.floats(shape.rows * shape.columns))
        let right = arena.matrix(21, shape.columns, random.floats(21 * shape.columns))
        let left = arena.matrix(shape.rows, 9, random.floats(shape.rows * 9))
        let rounded = arena.kept(shape.rows, shape.columns, as: .bf16)
        for row in 0..<shape.rows { rounded.keep(row: row, of: x) }
        let made = RowSource(rows: shape.rows, columns: shape.columns) { row, target, _ in
            target.copy(from: x.rows(row..<row + 1))
        }
        func products(_ source: RowSource, _ workers: Workers) -> [UInt32] {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let (y, turned) = (arena.matrix(shape.rows, 21), arena.matrix(9, shape.columns))
            multiply(
                [
                    PackedProduct(
                        [
                            PackedTerm(
                                left: arena.packed(source, on: workers), right: .rowsAreColumns(right, scale: 1))
                        ], into: y),
                    PackedProduct(
                        [
                            PackedTerm(
                                left: arena.packedTransposed(left, on: workers), right: arena.right(source, on: workers)
                            )
                        ], into: turned),
                ], on: workers)
            return bits(y) + bits(turned)
        }
        let expected = checkSameForAllWorkers { products(RowSource(x), $0) }
        #expect(checkSameForAllWorkers { products(made, $0) } == expected)
        #expect(checkSameForAllWorkers { products(RowSource(rounded), $0) } == expected)

        let workers = Workers(count: 2)
        #expect(arena.matrix(RowSource(x), on: workers).elements == x.elements)
        #expect(arena.matrix(made, on: workers).elements == x.elements)
    }

    @Test func dropoutIsThatOfTheRow() {
        var random = Seeded(5)
        let arena = Arena(bytes: 1 << 16)
        let x = arena.matrix(33, 19, random.floats(33 * 19))
        let keys = DropoutMask.TokenKeys(
            examples: (0..<33).map { UInt32($0 / 7) }, positions: (0..<33).map { UInt32($0 % 7) })
        let mask = DropoutMask(probability: 0.4, seed: 1, purpose: 2, step: 3, tokens: keys)
        let workers = Workers(count: 1)
        let expected = arena.matrix(33, 19)
        mask.apply(x, into: expected, on: workers)
        let kept = arena.kept(33, 19, as: .bf16)
        for row in 0..<33 { kept.keep(row: row, of: x) }
        #expect(arena.matrix(RowSource(x).dropped(mask), on: workers).elements == expected.elements)
        #expect(expected.elements.contains(0) && expected.elements.contains { $0 != 0 })
        #expect(arena.matrix(RowSource(x).dropped(nil), on: workers).elements == x.elements)
        let zeros = arena.matrix(RowSource(kept).dropped(mask), on: workers).elements.map { $0 == 0 }
        #expect(zeros == expected.elements.map { $0 == 0 })
    }
}
