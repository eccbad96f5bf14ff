/// A small matrix of Floats that does not change: a norm's weight, a bias, a table of cosines.
public final class ConstantMatrix: Sendable {
    private nonisolated(unsafe) let storage: UnsafeMutableBufferPointer<Float>
    /// The matrix; valid as long as this object.
    public let view: MatrixView

    public init(rows: Int = 1, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns)
        storage = .allocate(capacity: max(values.count, 1))
        _ = storage.initialize(from: values)
        view = MatrixView(base: storage.baseAddress!, rows: rows, columns: columns, stride: columns)
    }

    deinit { storage.deallocate() }
}
