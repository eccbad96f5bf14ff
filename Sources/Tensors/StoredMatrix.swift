import CKernels

/// A frozen weight as it lies in a mapped file: rows (outputs) × columns (inputs), in the file's own number format. It is
/// never copied as a whole; a panel of it is widened to Float when a product needs it.
@safe public struct StoredMatrix: @unchecked Sendable {
    /// How rows follow each other in the file.
    public enum RowOrder: Sendable, Equatable {
        case plain
        /// The rows of each head of `headSize` are stored with the two rotary halves interleaved (0, h/2, 1, h/2+1, …), as
        /// GGUF files of Llama models keep q and k; they are read in the order of Hugging Face files.
        case interleavedHalves(headSize: Int)
    }

    /// How elements are kept in rows of their own; nil for 4-bit NormalFloat, whose blocks run on from row to row.
    public let format: StorageFormat?
    public let rows: Int, columns: Int
    public let rowOrder: RowOrder
    /// Bytes in the file.
    public let byteCount: Int
    private let base: UnsafeRawPointer
    private let rowBytes: Int
    private let nf4: ck_nf4?
    /// Keeps the mapping alive.
    private let owner: AnyObject

    /// - Parameters:
    ///   - bytes: rows × columns elements in `format`, row after row, at any alignment.
    ///   - format: of the elements; a row is a whole number of its blocks.
    ///   - rows: outputs.
    ///   - columns: inputs.
    ///   - rowOrder: how rows follow each other in `bytes`.
    ///   - owner: what keeps `bytes` mapped.
    public init(
        bytes: UnsafeRawBufferPointer, format: StorageFormat, rows: Int, columns: Int, rowOrder: RowOrder = .plain,
        owner: AnyObject
    ) {
        precondition(columns % format.blockElements == 0)
        rowBytes = columns / format.blockElements * format.blockBytes
        precondition(bytes.count == rows * rowBytes)
        self.format = format
        self.rows = rows
        self.columns = columns
        self.rowOrder = rowOrder
        self.owner = owner
        byteCount = bytes.count
        nf4 = nil
        base = bytes.baseAddress!
    }

    /// A matrix in 4-bit NormalFloat.
    /// - Parameters:
    ///   - parts: as many as rows × columns elements have.
    ///   - rows: outputs.
    ///   - columns: inputs.
    ///   - owner: what keeps the parts mapped.
    public init(nf4 parts: NF4Parts, rows: Int, columns: Int, owner: AnyObject) {
        let sizes = NF4Sizes(elements: rows * columns)
        precondition(parts.codes.count == sizes.codes && parts.map.count == 256)
        if let scales = parts.scales {
            precondition(scales.count == sizes.blocks && parts.groups.count == 4 * sizes.groups)
        } else {
            precondition(parts.groups.count == 4 * sizes.blocks)
        }
        let held = NF4Owner(map: parts.map, file: owner)
        format = nil
        self.rows = rows
        self.columns = columns
        rowOrder = .plain
        self.owner = held
        byteCount = parts.codes.count + (parts.scales?.count ?? 0) + parts.groups.count
        rowBytes = 0
        base = parts.codes.baseAddress!
        nf4 = ck_nf4(
            codes: base.assumingMemoryBound(to: UInt8.self),
            scales: parts.scales?.baseAddress!.assumingMemoryBound(to: UInt8.self), groups: parts.groups.baseAddress!,
            map: held.map.baseAddress, offset: parts.offset)
    }

    /// Columns that are stored together: what bounds of a window of columns are multiples of, or the end of the row.
    public var blockElements: Int { format?.blockElements ?? (columns.isMultiple(of: 64) ? 64 : 2) }

    /// The name of the number format, such as "bf16" or "nf4".
    public var formatName: String { format.map { "\($0)" } ?? "nf4" }

    /// A matrix of Float values of its own, for tests and small tables.
    public init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns)
        let owner = OwnedBytes(values)
        self.init(bytes: owner.bytes, format: .f32, rows: rows, columns: columns, owner: owner)
    }

    private func address(ofRow row: Int) -> UnsafeRawPointer {
        switch rowOrder {
        case .plain: return base + row * rowBytes
        case .interleavedHalves(let size):
            let (head, i) = (row / size, row % size)
            let stored = i < size / 2 ? 2 * i : 2 * (i - size / 2) + 1
            return base + (head * size + stored) * rowBytes
        }
    }

    /// All of the matrix as it lies in the file; nil for 4-bit NormalFloat, whose parts lie apart.
    public var fileBytes: UnsafeRawBufferPointer? {
        format == nil ? nil : UnsafeRawBufferPointer(start: base, count: byteCount)
    }

    /// Where an element lies, at the start of a block of the format. Not for 4-bit NormalFloat.
    func address(row: Int, column: Int) -> UnsafeRawPointer {
        address(ofRow: row) + column / format!.blockElements * format!.blockBytes
    }

    /// The elements as they lie, if they are plain Floats in order and aligned, so that no panel is needed.
    func floats(row: Int, column: Int) -> UnsafePointer<Float>? {
        guard format == .f32, rowOrder == .plain, Int(bitPattern: base) % 4 == 0 else { return nil }
        return (base + row * rowBytes + 4 * column).assumingMemoryBound(to: Float.self)
    }

    /// Widens rows × columns of a window into `out`, row after row with `stride`. The columns' bounds must be multiples of the
    /// format's block or the end of the row.
    func widen(
        rows range: Range<Int>, columns columnRange: Range<Int>, into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        if var nf4 {
            for row in range {
                ck_nf4_widen(
                    &nf4, row * columns + columnRange.lowerBound, columnRange.count,
                    out + (row - range.lowerBound) * stride)
            }
            return
        }
        for row in range {
            ck_widen(
                ck_format(rawValue: format!.rawValue), address(ofRow: row), columnRange.lowerBound, columnRange.count,
                out + (row - range.lowerBound) * stride)
        }
    }

    /// Writes one row, widened, into a row of `out`.
    public func copyRow(_ row: Int, into out: MatrixView, row target: Int) {
        precondition(row >= 0 && row < rows && out.columns == columns && target < out.rows)
        widen(rows: row..<row + 1, columns: 0..<columns, into: out.row(target), stride: out.stride)
    }

    /// All values, widened.
    public var values: [Float] {
        [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
            widen(rows: 0..<rows, columns: 0..<columns, into: buffer.baseAddress!, stride: columns)
            count = rows * columns
        }
    }
}

/// Floats held on the heap for a `StoredMatrix` that no file backs.
private final class OwnedBytes {
    let bytes: UnsafeRawBufferPointer
    init(_ values: [Float]) {
        let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
        _ = copy.initialize(from: values)
        bytes = UnsafeRawBufferPointer(copy)
    }
    deinit { bytes.deallocate() }
}
