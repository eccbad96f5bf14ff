import CKernels

/// A block of a weight's rows as the right operand of two bf16 products: x Wᵀ, whose columns are the rows of the block, and p W,
/// which sums over them. Made from one widening, in a worker's scratch memory.
@safe public struct PackedBlock {
    /// The rows of the weight.
    public let rows: Range<Int>
    fileprivate let columns: Int
    fileprivate let across: UnsafeMutablePointer<UInt32>, along: UnsafeMutablePointer<UInt32>
    fileprivate let packed: UnsafeMutablePointer<UInt32>
    fileprivate let scratch: UnsafeMutablePointer<Float>

    /// Rows of the left operand that are multiplied at once.
    public static let tokens = 64
    /// The most rows of a block, a multiple of 16.
    static let most = 192
    /// Columns that are widened at once: whole blocks of the kernel and of every format.
    private static let piece = 768

    /// Rows of a block, so that both panels fit.
    static func rowCount(columns: Int) -> Int {
        let room = (Workers.panelFloats - PanelBuffer.widenedFloats) / 2
        let padded = (columns + 15) / 16 * 16 + 16
        return min(most, room / (padded / 2) / 16 * 16)
    }

    fileprivate init(_ weight: StoredMatrix, rows: Range<Int>, _ workers: Workers, _ worker: Int) {
        self.rows = rows
        columns = weight.columns
        let floats = workers.panel(worker)
        let words = UnsafeMutableRawPointer(floats + PanelBuffer.widenedFloats).assumingMemoryBound(to: UInt32.self)
        across = words
        along = words + (Workers.panelFloats - PanelBuffer.widenedFloats) / 2
        scratch = workers.tile(worker)
        packed = UnsafeMutableRawPointer(scratch + Self.tokens * Self.most).assumingMemoryBound(to: UInt32.self)
        for start in stride(from: 0, to: columns, by: Self.piece) {
            pack(weight, columns: start..<min(columns, start + Self.piece), floats)
        }
    }

    private func pack(_ weight: StoredMatrix, columns piece: Range<Int>, _ floats: UnsafeMutablePointer<Float>) {
        let width = Int(CK_BF16_RIGHT)
        let turned = ck_bf16_place(words: across, pairs: (columns + 1) / 2, lines: rows.count, width: width)
        let pairs = (rows.count + 1) / 2
        let plain = ck_bf16_place(
            words: along + piece.lowerBound * pairs, pairs: pairs, lines: piece.count, width: width)
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: 16) { pointers in
            for first in stride(from: 0, to: rows.count, by: 16) {
                let count = min(16, rows.count - first)
                let start = rows.lowerBound + first
                weight.widen(rows: start..<start + count, columns: piece, into: floats, stride: piece.count)
                for i in 0..<count { pointers[i] = UnsafeRawPointer(floats + i * piece.count) }
                ck_bf16_pack_across(
                    bf16Instructions, pointers.baseAddress!, count, 0, piece.count, 1, turned, first,
                    piece.lowerBound / 2)
                for pair in 0..<(count + 1) / 2 {
                    ck_bf16_pack_along(
                        bf16Instructions, pointers[2 * pair], 2 * pair + 1 < count ? pointers[2 * pair + 1] : nil, 0, 1,
                        plain, first / 2 + pair)
                }
            }
        }
    }

    /// x Wᵀ for at most `tokens` rows of x, from a multiple of 8 on: (tokens, rows) in scratch memory.
    public func scores(_ x: PackedRows, rows tokens: Range<Int>) -> MatrixView {
        precondition(tokens.count <= Self.tokens && x.columns == columns)
        let result = MatrixView(base: scratch, rows: tokens.count, columns: rows.count, stride: rows.count)
        let right = PackedColumns(words: across, inner: columns, columns: rows.count)
        var term = x.term(fromRow: tokens.lowerBound, column: 0, count: columns, right: right)
        ck_bf16_gemm(bf16Instructions, &term, 1, tokens.count, rows.count, result.base, result.stride, 0)
        return result
    }

    /// y += p W for the matrix that `scores` gave, whatever it holds by now.  Shapes: p (tokens, rows), y (tokens, columns).
    public func addProduct(of p: MatrixView, to y: MatrixView) {
        precondition(p.base == scratch && p.columns == rows.count && y.rows == p.rows && y.columns == columns)
        let left = PackedRows(words: packed, rows: p.rows, columns: p.columns)
        left.fill(p)
        multiply(
            left, PackedColumns(words: along, inner: rows.count, columns: columns), inner: rows.count, into: y,
            accumulate: true)
    }
}

/// Calls `body` for the blocks of a weight's rows, one after the other.
public func forEachPackedBlock(
    of weight: StoredMatrix, rows: Range<Int>, on workers: Workers, worker: Int, _ body: (PackedBlock) -> Void
) {
    let most = PackedBlock.rowCount(columns: weight.columns)
    precondition(most > 0, "rows of \(weight.columns) elements are too long for a panel")
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: most) {
        body(PackedBlock(weight, rows: first..<min(rows.upperBound, first + most), workers, worker))
    }
}
