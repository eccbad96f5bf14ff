import CKernels

/// The right operand of bf16 products, (inner, columns): rounded to bf16 and laid out as the kernels read it. Held by a
/// `Scratch`.
@safe public struct PackedColumns: @unchecked Sendable {
    let words: UnsafeMutablePointer<UInt32>
    public let inner: Int, columns: Int

    /// Pairs of the inner dimension, the last one filled up with zero where its length is odd.
    var pairs: Int { (inner + 1) / 2 }

    static func wordCount(inner: Int, columns: Int) -> Int { ck_bf16_words((inner + 1) / 2, columns, CK_BF16_RIGHT) }

    var place: ck_bf16_place {
        ck_bf16_place(words: words, pairs: pairs, lines: columns, width: CK_BF16_RIGHT)
    }

    /// Packs x (inner, columns).
    public func fill(_ x: MatrixView) {
        precondition(x.rows == inner && x.columns == columns)
        for pair in 0..<pairs {
            ck_bf16_pack_along(
                bf16Instructions, x.row(2 * pair), 2 * pair + 1 < inner ? x.row(2 * pair + 1) : nil, 0, 1, place, pair)
        }
    }

    /// Packs x (columns, inner).
    public func fill(transposed x: MatrixView) {
        precondition(x.rows == columns && x.columns == inner)
        packAcross(x, 0..<columns, place)
    }
}

/// Packs a range of a matrix's rows, beginning at a multiple of 16, as lines of an operand.
func packAcross(_ x: MatrixView, _ range: Range<Int>, _ place: ck_bf16_place) {
    packAcross(range, place, at: range.lowerBound, columns: x.columns, isBF16: false) { UnsafeRawPointer(x.row($0)) }
}

/// Packs a range of a matrix's rows as lines of an operand from `line` on, a multiple of 16; the range's start if left out.
func packAcross(_ x: RoundedMatrix, _ range: Range<Int>, _ place: ck_bf16_place, at line: Int? = nil) {
    packAcross(range, place, at: line ?? range.lowerBound, columns: x.columns, isBF16: true) {
        UnsafeRawPointer(x.row($0))
    }
}

private func packAcross(
    _ range: Range<Int>, _ place: ck_bf16_place, at line: Int, columns: Int, isBF16: Bool,
    _ row: (Int) -> UnsafeRawPointer
) {
    withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: 16) { rows in
        for first in stride(from: 0, to: range.count, by: 16) {
            let count = min(16, range.count - first)
            for i in 0..<count { rows[i] = row(range.lowerBound + first + i) }
            ck_bf16_pack_across(
                bf16Instructions, rows.baseAddress!, count, isBF16 ? 1 : 0, columns, 1, place, line + first, 0)
        }
    }
}

/// c = left · right, or c += left · right, of the first rows and columns that c has.
/// Shapes: left (at least c's rows, `inner` or more), right (`inner` or more, at least c's columns).
/// - Parameters:
///   - left: the left operand.
///   - right: the right operand.
///   - inner: how much of the inner dimension counts. What follows an odd length in the right operand must be finite, and zero
///     in the left one.
///   - c: the result.
///   - accumulate: adds to what `c` holds.
public func multiply(
    _ left: PackedRows, _ right: PackedColumns, inner: Int, into c: MatrixView, accumulate: Bool = false
) {
    precondition(inner <= right.inner && c.rows <= left.rows && c.columns <= right.columns)
    var term = left.term(fromRow: 0, column: 0, count: inner, right: right)
    ck_bf16_gemm(bf16Instructions, &term, 1, c.rows, c.columns, c.base, c.stride, accumulate ? 1 : 0)
}
