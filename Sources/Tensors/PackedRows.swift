import CKernels

/// The left operand of bf16 products: a matrix rounded to bf16 and laid out as the kernels read it, once for all products that
/// it takes part in. Held by an `Arena`.
@safe public struct PackedRows: @unchecked Sendable {
    let words: UnsafeMutablePointer<UInt32>
    public let rows: Int, columns: Int

    /// Pairs of columns, the last one filled up with zero where the number is odd.
    var pairs: Int { (columns + 1) / 2 }

    /// The words of a packed matrix, which is filled up to whole blocks of 8 rows.
    static func wordCount(rows: Int, columns: Int) -> Int {
        ck_bf16_words((columns + 1) / 2, rows, CK_BF16_LEFT)
    }

    var place: ck_bf16_place {
        ck_bf16_place(words: words, pairs: pairs, lines: rows, width: CK_BF16_LEFT)
    }

    /// The summand with rows from `row` on, a multiple of 8, and columns from `column` on, an even number.
    func term(fromRow row: Int, column: Int, count: Int, right: PackedColumns) -> ck_bf16_term {
        precondition(row % 8 == 0 && column % 2 == 0 && column + count <= columns && count <= right.inner)
        return ck_bf16_term(
            left: words + row * pairs + column / 2 * 8, left_block: pairs * 8, right: right.words,
            right_pairs: right.pairs, right_lines: right.columns, pairs: (count + 1) / 2)
    }

    /// Packs x, of this shape.
    public func fill(_ x: MatrixView) {
        precondition(x.rows == rows && x.columns == columns)
        packAcross(x, 0..<rows, place)
    }

    /// Packs x turned over: x is (columns, rows).
    public func fill(transposed x: MatrixView) {
        precondition(x.rows == columns && x.columns == rows)
        fill(transposed: x, scale: 1, pairs: 0..<pairs)
    }

    fileprivate func fill(transposed x: MatrixView, scale: Float, pairs: Range<Int>) {
        for pair in pairs {
            ck_bf16_pack_along(
                bf16Instructions, x.row(2 * pair), 2 * pair + 1 < x.rows ? x.row(2 * pair + 1) : nil, 0, scale, place,
                pair)
        }
    }
}

extension Arena {
    /// A copy of a matrix, rounded to bf16, as the left operand of products.
    public func packed(_ x: MatrixView, on workers: Workers) -> PackedRows { packed(RowSource(x), on: workers) }

    /// A copy of a matrix times `scale` turned over, rounded to bf16: its columns become the rows of the left operand.
    public func packedTransposed(_ x: MatrixView, scale: Float = 1, on workers: Workers) -> PackedRows {
        let packed = makeRows(rows: x.columns, columns: x.rows)
        workers.rows(packed.pairs, grain: 128) { range, _ in
            packed.fill(transposed: x, scale: scale, pairs: range)
        }
        return packed
    }

    /// Room for a packed left operand.
    public func makeRows(rows: Int, columns: Int) -> PackedRows {
        let block = matrix(1, PackedRows.wordCount(rows: rows, columns: columns))
        let words = UnsafeMutableRawPointer(block.base).assumingMemoryBound(to: UInt32.self)
        return PackedRows(words: words, rows: rows, columns: columns)
    }
}
