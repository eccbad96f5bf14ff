import CKernels

/// The right operand of a bf16 product, as it lies in memory.
public enum RightOperand: Sendable {
    /// A frozen weight (outputs, inputs), multiplied as x Wᵀ: its rows are the columns of the result.
    case weightRowsAreColumns(StoredMatrix)
    /// A frozen weight (outputs, inputs), multiplied as dy W: its rows are summed over.
    case weight(StoredMatrix)
    /// A matrix (columns of the result, inner), each element times `scale`.
    case rowsAreColumns(MatrixView, scale: Float)
    /// A matrix (inner, columns of the result), each element times `scale`.
    case plain(MatrixView, scale: Float)
    /// A matrix (inner, columns of the result) of bf16 numbers.
    case rounded(RoundedMatrix)

    /// Length of the dimension that is summed over.
    var inner: Int {
        switch self {
        case .weightRowsAreColumns(let weight): weight.columns
        case .weight(let weight): weight.rows
        case .rowsAreColumns(let matrix, _): matrix.columns
        case .plain(let matrix, _): matrix.rows
        case .rounded(let matrix): matrix.rows
        }
    }

    /// Columns of the result.
    var columns: Int {
        switch self {
        case .weightRowsAreColumns(let weight): weight.rows
        case .weight(let weight): weight.columns
        case .rowsAreColumns(let matrix, _): matrix.rows
        case .plain(let matrix, _): matrix.columns
        case .rounded(let matrix): matrix.columns
        }
    }

    /// Columns of the result that are read together.
    var columnUnit: Int {
        if case .weight(let weight) = self { weight.blockElements } else { 1 }
    }
}

/// Room for one packed panel and for the widened rows it is made from.
struct PanelBuffer {
    let words: UnsafeMutablePointer<UInt32>
    let capacity: Int
    /// `widenedFloats` floats.
    let floats: UnsafeMutablePointer<Float>

    init(words: UnsafeMutablePointer<UInt32>, capacity: Int, floats: UnsafeMutablePointer<Float>) {
        self.words = words
        self.capacity = capacity
        self.floats = floats
    }

    /// Rows that are widened at once, and floats of room for them.
    static let widenedRows = 16
    static let widenedFloats = widenedRows * PackedTiles.inner

    /// Packs a window of the right operand: `columns` of the result, and `inner` of what is summed over. The window's bounds are
    /// multiples of the format's block, and even, or the ends.
    func pack(_ operand: RightOperand, columns: Range<Int>, inner: Range<Int>) {
        precondition(wordCount(columns: columns.count, inner: inner.count) <= capacity)
        let place = ck_bf16_place(
            words: words, pairs: (inner.count + 1) / 2, lines: columns.count, width: CK_BF16_RIGHT)
        switch operand {
        case .weightRowsAreColumns(let weight):
            if weight.format == .bf16 {
                packAcross(columns.count, inner.count, isBF16: true, 1, place) { first, _, rows in
                    for i in rows.indices {
                        rows[i] = weight.address(row: columns.lowerBound + first + i, column: inner.lowerBound)
                    }
                }
            } else {
                packAcross(columns.count, inner.count, isBF16: false, 1, place) { first, count, rows in
                    let start = columns.lowerBound + first
                    weight.widen(rows: start..<start + count, columns: inner, into: floats, stride: inner.count)
                    for i in rows.indices { rows[i] = UnsafeRawPointer(floats + i * inner.count) }
                }
            }
        case .rowsAreColumns(let matrix, let scale):
            packAcross(columns.count, inner.count, isBF16: false, scale, place) { first, _, rows in
                for i in rows.indices {
                    rows[i] = UnsafeRawPointer(matrix.row(columns.lowerBound + first + i) + inner.lowerBound)
                }
            }
        case .weight(let weight):
            if weight.format == .bf16 {
                packAlong(inner.count, isBF16: true, 1, place) { row in
                    weight.address(row: inner.lowerBound + row, column: columns.lowerBound)
                }
            } else {
                for first in stride(from: 0, to: inner.count, by: Self.widenedRows) {
                    let rows =
                        inner.lowerBound + first..<min(inner.upperBound, inner.lowerBound + first + Self.widenedRows)
                    weight.widen(rows: rows, columns: columns, into: floats, stride: columns.count)
                    packAlong(rows.count, isBF16: false, 1, place, firstPair: first / 2) {
                        UnsafeRawPointer(floats + $0 * columns.count)
                    }
                }
            }
        case .plain(let matrix, let scale):
            packAlong(inner.count, isBF16: false, scale, place) { row in
                UnsafeRawPointer(matrix.row(inner.lowerBound + row) + columns.lowerBound)
            }
        case .rounded(let matrix):
            packAlong(inner.count, isBF16: true, 1, place) { row in
                UnsafeRawPointer(matrix.row(inner.lowerBound + row) + columns.lowerBound)
            }
        }
    }

    /// The words that a packed window takes.
    func wordCount(columns: Int, inner: Int) -> Int {
        ck_bf16_words((inner + 1) / 2, columns, CK_BF16_RIGHT)
    }

    private func packAcross(
        _ columns: Int, _ inner: Int, isBF16: Bool, _ scale: Float, _ place: ck_bf16_place,
        _ find: (_ first: Int, _ count: Int, _ rows: UnsafeMutableBufferPointer<UnsafeRawPointer?>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: 16) { rows in
            for first in stride(from: 0, to: columns, by: 16) {
                let count = min(16, columns - first)
                find(first, count, UnsafeMutableBufferPointer(rebasing: rows[..<count]))
                ck_bf16_pack_across(
                    bf16Instructions, rows.baseAddress!, count, isBF16 ? 1 : 0, inner, scale, place, first, 0)
            }
        }
    }

    private func packAlong(
        _ inner: Int, isBF16: Bool, _ scale: Float, _ place: ck_bf16_place, firstPair: Int = 0,
        _ row: (Int) -> UnsafeRawPointer
    ) {
        for pair in 0..<(inner + 1) / 2 {
            ck_bf16_pack_along(
                bf16Instructions, row(2 * pair), 2 * pair + 1 < inner ? row(2 * pair + 1) : nil, isBF16 ? 1 : 0, scale,
                place, firstPair + pair)
        }
    }
}
