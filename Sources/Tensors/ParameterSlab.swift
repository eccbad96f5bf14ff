import CKernels
import Glibc

/// Where each trained matrix stands in a slab.
public struct ParameterLayout: Sendable, Equatable {
    /// One matrix of the layout.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let rows: Int, columns: Int
        /// Elements before it.
        public let offset: Int
        public var count: Int { rows * columns }
    }

    public private(set) var entries: [Entry] = []
    /// Elements of all entries.
    public private(set) var count = 0

    public init() {}

    /// Adds a matrix behind the others and returns its index.
    public mutating func append(_ name: String, rows: Int, columns: Int) -> Int {
        entries.append(Entry(name: name, rows: rows, columns: columns, offset: count))
        count += rows * columns
        return entries.count - 1
    }
}

/// One block of Floats in a layout: the trained values, or one of AdamW's moments. Values, sums and moments share one layout, so
/// that the update, clipping, the all-reduce and saving are one pass each.
@safe public final class ParameterSlab: @unchecked Sendable {
    public let layout: ParameterLayout
    private let storage: UnsafeMutableBufferPointer<Float>

    /// All elements zero.
    public init(_ layout: ParameterLayout) {
        self.layout = layout
        storage = makeZeros(layout.count)
    }

    deinit { freeZeros(storage) }

    /// The matrix of an entry.
    public subscript(index: Int) -> MatrixView {
        let entry = layout.entries[index]
        return MatrixView(
            base: storage.baseAddress! + entry.offset, rows: entry.rows, columns: entry.columns, stride: entry.columns)
    }

    /// Several entries of equal width that follow each other, as one matrix.
    public func stacked(_ indices: Range<Int>) -> MatrixView {
        let first = layout.entries[indices.lowerBound]
        var rows = 0
        for index in indices {
            let entry = layout.entries[index]
            precondition(entry.columns == first.columns && entry.offset == first.offset + rows * first.columns)
            rows += entry.rows
        }
        return MatrixView(
            base: storage.baseAddress! + first.offset, rows: rows, columns: first.columns, stride: first.columns)
    }

    var pointer: UnsafeMutablePointer<Float> { storage.baseAddress! }

    /// An element is NaN or infinite.
    public var hasNonFinite: Bool { ck_first_non_finite(storage.baseAddress, layout.count) >= 0 }

    /// The elements as bytes, for sending and saving.
    public var bytes: [UInt8] {
        Array(UnsafeRawBufferPointer(start: storage.baseAddress, count: layout.count * 4))
    }

    /// Calls `body` with the elements of one entry as bytes, where they are.
    public func withBytes<Result>(
        entry index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let entry = layout.entries[index]
        return try body(UnsafeRawBufferPointer(start: storage.baseAddress! + entry.offset, count: entry.count * 4))
    }

    /// Calls `body` with all elements as bytes, where they are.
    public func withMutableBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: layout.count * 4))
    }

    /// A number that tells these elements from any others, but for one case in 2⁶⁴.
    public func digest(on workers: Workers) -> UInt64 {
        let chunk = 65_536
        var parts = [UInt64](repeating: 0, count: (layout.count + chunk - 1) / chunk)
        parts.withUnsafeMutableBufferPointer { parts in
            nonisolated(unsafe) let parts = parts
            workers.rows(parts.count, grain: 1) { range, _ in
                for part in range {
                    let first = part * chunk
                    parts[part] = ck_digest(storage.baseAddress! + first, min(chunk, layout.count - first))
                }
            }
        }
        return parts.reduce(UInt64(layout.count)) { ($0 ^ $1) &* 0x9E37_79B9_7F4A_7C15 &+ ($0 >> 29) }
    }

    /// Sets the elements of one entry.
    public func setBytes(entry index: Int, _ bytes: UnsafeRawBufferPointer) {
        let entry = layout.entries[index]
        precondition(bytes.count == entry.count * 4)
        UnsafeMutableRawPointer(storage.baseAddress! + entry.offset).copyMemory(
            from: bytes.baseAddress!, byteCount: bytes.count)
    }

    /// Sets all elements from bytes that `bytes` gave.
    public func setBytes(_ bytes: [UInt8]) {
        precondition(bytes.count == layout.count * 4)
        bytes.withUnsafeBytes {
            UnsafeMutableRawPointer(storage.baseAddress!).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }
}

/// Gradient sums that do not depend on the order of their summands: 64-bit integers in units of 2⁻⁴⁸. Each summand is already
/// divided by the trained tokens of the global batch.
///
/// A summand is rounded once, to the nearest unit, and sums are exact: n summands make an error of at most n · 2⁻⁴⁹ (1.8e-15 n),
/// whatever their sizes and order. Summands must lie within ±16,384. Whether sums could leave 64 bits is told by the summands
/// alone, so that every way of dealing them to ranks finds the same: the largest of each piece of work, added up over the
/// pieces, must stay below 32,768 (`Piece.reach`).
@safe public final class ExactSums: @unchecked Sendable {
    public let layout: ParameterLayout
    private let storage: UnsafeMutableBufferPointer<Int64>
    /// What is known of the summands since `takePiece`.
    private var piece = Piece()

    /// What is known of the summands of a piece of work, which adds one to each element at most.
    public struct Piece: Sendable, Equatable {
        /// A summand was not finite.
        public var sawNonFinite = false
        /// A summand left the range.
        public var sawOutOfRange = false
        /// The largest magnitude of a summand.
        public var largest: Float = 0

        /// Of no summands.
        public init() {}

        /// How far the piece can move sums, in units of 2⁻¹⁶, rounded up. To be added over pieces and ranks.
        public var reach: Int64 { Int64((largest * 65_536).rounded(.up)) }
        /// From here on a sum could leave 64 bits.
        public static let reachLimit: Int64 = 32_768 << 16
    }

    /// All sums zero.
    public init(_ layout: ParameterLayout) {
        self.layout = layout
        storage = makeZeros(layout.count)
    }

    deinit { freeZeros(storage) }

    /// Sets all sums to zero and forgets what was seen.
    public func zero() {
        storage.update(repeating: 0)
        piece = Piece()
    }

    /// What is known of the summands since the last call, or since all sums were zero.
    public func takePiece() -> Piece {
        defer { piece = Piece() }
        return piece
    }

    /// Adds a matrix of the shape of the entries `indices` together, which must follow each other.
    public func add(_ gradient: MatrixView, to indices: Range<Int>, on workers: Workers) {
        let first = layout.entries[indices.lowerBound]
        let last = layout.entries[indices.upperBound - 1]
        precondition(
            gradient.columns == first.columns
                && first.offset + gradient.rows * gradient.columns == last.offset + last.count)
        let wrong = Flags()
        let most = LargestFloat()
        workers.rows(gradient.rows, grain: max(1, 8192 / max(gradient.columns, 1))) { range, _ in
            var largest: Float = 0
            for row in range {
                let target = storage.baseAddress! + first.offset + row * first.columns
                wrong.insert(ck_exact_add(gradient.row(row), target, gradient.columns, &largest))
            }
            most.insert(largest)
        }
        piece.largest = max(piece.largest, most.value)
        if wrong.value & 1 != 0 { piece.sawNonFinite = true }
        if wrong.value & 2 != 0 { piece.sawOutOfRange = true }
    }

    /// Calls `body` with the integers, for the all-reduce.
    public func withIntegers<Result>(_ body: (UnsafeMutableBufferPointer<Int64>) throws -> Result) rethrows -> Result {
        try body(UnsafeMutableBufferPointer(start: storage.baseAddress, count: layout.count))
    }

    /// ‖sums‖₂ in float64, the same on every rank.
    public var norm: Double { ck_exact_sum_of_squares(storage.baseAddress, layout.count).squareRoot() }

    /// The sum at one element, as a number.
    public func value(entry: Int, row: Int, column: Int) -> Double {
        let entry = layout.entries[entry]
        return Double(storage[entry.offset + row * entry.columns + column]) * 0x1p-48
    }

    /// An entry's sums as Floats.
    public func values(entry: Int) -> [Float] {
        let entry = layout.entries[entry]
        return (0..<entry.count).map { Float(Double(storage[entry.offset + $0]) * 0x1p-48) }
    }

    var pointer: UnsafePointer<Int64> { UnsafePointer(storage.baseAddress!) }
}
