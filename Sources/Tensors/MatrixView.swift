/// A window onto a row-major matrix of Float that an `Arena`, a `ParameterSlab` or another owner holds.
///
/// Copies of a view name the same elements. A view is valid as long as its owner is; writers of one matrix must not overlap,
/// which the layers ensure by giving each task rows or columns of its own.
@safe public struct MatrixView: @unchecked Sendable {
    @usableFromInline let base: UnsafeMutablePointer<Float>
    public let rows: Int, columns: Int
    /// Elements from the start of one row to the start of the next; at least `columns`.
    public let stride: Int

    init(base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    public subscript(row: Int, column: Int) -> Float {
        get {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            return base[row * stride + column]
        }
        nonmutating set {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            base[row * stride + column] = newValue
        }
    }

    /// The rows of a range, all columns.
    public func rows(_ range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        return MatrixView(base: base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// The columns of a range, all rows.
    public func columns(_ range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns)
        return MatrixView(base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// Sets every element.
    public func fill(_ value: Float) {
        for row in 0..<rows { (base + row * stride).update(repeating: value, count: columns) }
    }

    /// Copies the elements of a matrix of the same shape.
    public func copy(from other: MatrixView) {
        precondition(rows == other.rows && columns == other.columns)
        for row in 0..<rows { (base + row * stride).update(from: other.base + row * other.stride, count: columns) }
    }

    /// Copies the elements of a matrix of the turned shape.
    public func copy(fromTransposed other: MatrixView) {
        precondition(rows == other.columns && columns == other.rows)
        for row in 0..<rows {
            let target = base + row * stride
            for column in 0..<columns { target[column] = other.base[column * other.stride + row] }
        }
    }

    /// Copies the elements of an array, row by row.
    public func copy(from values: [Float]) {
        precondition(values.count == rows * columns)
        values.withUnsafeBufferPointer { source in
            for row in 0..<rows {
                (base + row * stride).update(from: source.baseAddress! + row * columns, count: columns)
            }
        }
    }

    /// The elements, row by row.
    public var elements: [Float] {
        var out: [Float] = []
        out.reserveCapacity(rows * columns)
        for row in 0..<rows {
            out.append(contentsOf: UnsafeBufferPointer(start: base + row * stride, count: columns))
        }
        return out
    }

    func row(_ row: Int) -> UnsafeMutablePointer<Float> { base + row * stride }
}
