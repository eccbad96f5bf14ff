import CKernels

/// A row-major matrix of bf16 numbers, held by an `Arena` or a `Scratch`: half the memory of Float for what products round
/// anyway.
@safe public struct RoundedMatrix: @unchecked Sendable {
    private let base: UnsafeMutablePointer<UInt16>
    public let rows: Int, columns: Int

    init(base: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int) {
        self.base = base
        self.rows = rows
        self.columns = columns
    }

    /// Floats of room for a matrix.
    static func floatCount(rows: Int, columns: Int) -> Int { (rows * columns + 1) / 2 }

    /// A row's numbers.
    func row(_ row: Int) -> UnsafeMutablePointer<UInt16> { base + row * columns }

    /// self[row] = x[other], rounded to the nearest bf16, ties to even.
    public func round(row: Int, from x: MatrixView, row other: Int) {
        precondition(row < rows && other < x.rows && x.columns == columns)
        ck_round_bf16(x.row(other), self.row(row), columns)
    }

    /// y[other] = self[row].
    public func widen(row: Int, into y: MatrixView, row other: Int) {
        precondition(row < rows && other < y.rows && y.columns == columns)
        ck_widen_bf16(self.row(row), y.row(other), columns)
    }
}

/// Activations that the forward pass keeps for the backward pass: as they are, or rounded to bf16.
public enum KeptMatrix: Sendable {
    case floats(MatrixView)
    case rounded(RoundedMatrix)

    public var rows: Int {
        switch self {
        case .floats(let x): x.rows
        case .rounded(let x): x.rows
        }
    }

    public var columns: Int {
        switch self {
        case .floats(let x): x.columns
        case .rounded(let x): x.columns
        }
    }

    /// Where to compute what is to be kept: the matrix itself, or one beside it from which each row is kept by `keep`.
    public func target(in arena: Arena) -> MatrixView {
        switch self {
        case .floats(let x): x
        case .rounded(let x): arena.matrix(x.rows, x.columns)
        }
    }

    /// Keeps a row of `target`.
    public func keep(row: Int, of target: MatrixView) {
        if case .rounded(let x) = self { x.round(row: row, from: target, row: row) }
    }

    /// A row as Floats that may be changed: of the matrix itself, or a copy in scratch memory.
    public func editable(row: Int, _ scratch: inout Scratch) -> MatrixView {
        switch self {
        case .floats(let x): return x.rows(row..<row + 1)
        case .rounded(let x):
            let copy = scratch.matrix(1, x.columns)
            x.widen(row: row, into: copy, row: 0)
            return copy
        }
    }

    /// Takes back a row that `editable` gave.
    public func store(_ edited: MatrixView, row: Int) {
        if case .rounded(let x) = self { x.round(row: row, from: edited, row: 0) }
    }
}

extension Arena {
    /// Room for activations that are kept.
    public func kept(_ rows: Int, _ columns: Int, as precision: Precision) -> KeptMatrix {
        switch precision {
        case .fp32: .floats(matrix(rows, columns))
        case .bf16: .rounded(roundedMatrix(rows, columns))
        }
    }

    func roundedMatrix(_ rows: Int, _ columns: Int) -> RoundedMatrix {
        let block = matrix(1, RoundedMatrix.floatCount(rows: rows, columns: columns))
        let base = UnsafeMutableRawPointer(block.base).assumingMemoryBound(to: UInt16.self)
        return RoundedMatrix(base: base, rows: rows, columns: columns)
    }
}

extension Scratch {
    mutating func roundedMatrix(_ rows: Int, _ columns: Int) -> RoundedMatrix {
        let block = matrix(1, RoundedMatrix.floatCount(rows: rows, columns: columns))
        let base = UnsafeMutableRawPointer(block.base).assumingMemoryBound(to: UInt16.self)
        return RoundedMatrix(base: base, rows: rows, columns: columns)
    }
}
