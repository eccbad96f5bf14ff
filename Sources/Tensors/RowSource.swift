/// The rows of a matrix that need not stand in memory: each is made where it is used. What a row is must not depend on how
/// often or where it is made.
public struct RowSource {
    enum Content {
        case floats(MatrixView)
        case rounded(RoundedMatrix)
        case made((_ row: Int, _ target: MatrixView, _ scratch: Scratch) -> Void)
    }

    public let rows: Int, columns: Int
    let content: Content

    /// The rows of a matrix in memory.
    public init(_ x: MatrixView) {
        (rows, columns) = (x.rows, x.columns)
        content = .floats(x)
    }

    /// The rows of activations in memory.
    public init(_ x: KeptMatrix) {
        (rows, columns) = (x.rows, x.columns)
        switch x {
        case .floats(let x): content = .floats(x)
        case .rounded(let x): content = .rounded(x)
        }
    }

    /// Rows that `make` writes.
    /// - Parameters:
    ///   - rows: how many there are.
    ///   - columns: elements of each.
    ///   - make: writes a row to `target`, (1, columns); may use `scratch` on the way.
    public init(
        rows: Int, columns: Int, make: @escaping (_ row: Int, _ target: MatrixView, _ scratch: Scratch) -> Void
    ) {
        (self.rows, self.columns) = (rows, columns)
        content = .made(make)
    }

    /// The same rows under dropout.
    public func dropped(_ mask: DropoutMask?) -> RowSource {
        guard let mask else { return self }
        return RowSource(rows: rows, columns: columns) { row, target, scratch in
            write(row, to: target, scratch)
            mask.apply(row: row, to: target)
        }
    }

    /// Writes a row to `target`, (1, columns).
    func write(_ row: Int, to target: MatrixView, _ scratch: Scratch) {
        switch content {
        case .floats(let x): target.copy(from: x.rows(row..<row + 1))
        case .rounded(let x): x.widen(row: row, into: target, row: 0)
        case .made(let make): make(row, target, scratch)
        }
    }
}

extension Arena {
    /// All rows in Float: the matrix itself where there is one.
    public func matrix(_ source: RowSource, on workers: Workers) -> MatrixView {
        if case .floats(let x) = source.content { return x }
        let x = matrix(source.rows, source.columns)
        workers.rows(source.rows) { range, worker in
            for row in range { source.write(row, to: x.rows(row..<row + 1), workers.scratch(worker)) }
        }
        return x
    }

    /// All rows, rounded to bf16, as the left operand of products.
    public func packed(_ source: RowSource, on workers: Workers) -> PackedRows {
        let packed = makeRows(rows: source.rows, columns: source.columns)
        workers.rows(source.rows, grain: 64) { range, worker in
            switch source.content {
            case .floats(let x): packAcross(x, range, packed.place)
            case .rounded(let x): packAcross(x, range, packed.place)
            case .made(let make):
                var scratch = workers.scratch(worker)
                let made = scratch.matrix(1, source.columns)
                let rounded = scratch.roundedMatrix(16, source.columns)
                for first in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
                    let count = min(16, range.upperBound - first)
                    for i in 0..<count {
                        make(first + i, made, scratch)
                        rounded.round(row: i, from: made, row: 0)
                    }
                    packAcross(rounded, 0..<count, packed.place, at: first)
                }
            }
        }
        return packed
    }

    /// All rows as the right operand of a product that sums over them; rounded to bf16 where they are not in memory yet.
    public func right(_ source: RowSource, on workers: Workers) -> RightOperand {
        switch source.content {
        case .floats(let x): return .plain(x, scale: 1)
        case .rounded(let x): return .rounded(x)
        case .made(let make):
            let rounded = roundedMatrix(source.rows, source.columns)
            workers.rows(source.rows) { range, worker in
                var scratch = workers.scratch(worker)
                let made = scratch.matrix(1, source.columns)
                for row in range {
                    make(row, made, scratch)
                    rounded.round(row: row, from: made, row: 0)
                }
            }
            return .rounded(rounded)
        }
    }
}
