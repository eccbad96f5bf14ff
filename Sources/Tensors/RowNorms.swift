import CKernels

/// A change of low rank to a weight: scale · b a.  Shapes: a (rank, inputs), b (outputs, rank).
public struct LowRankUpdate: Sendable {
    public let a: MatrixView, b: MatrixView
    public let scale: Float
    public init(a: MatrixView, b: MatrixView, scale: Float) {
        self.a = a
        self.b = b
        self.scale = scale
    }
}

/// The L2 norm of each row of W + Σ updates, which is made block by block in the workers' scratch memory. Squares are added up in
/// Float over 256 elements at a time, these sums in Double.
/// - Parameters:
///   - weight: W (outputs, inputs), in any format.
///   - updates: what is added to it.
///   - norms: (1, outputs); replaced.
///   - workers: share blocks of rows.
public func rowNorms(
    of weight: StoredMatrix, adding updates: [LowRankUpdate], into norms: MatrixView, on workers: Workers
) {
    precondition(norms.rows == 1 && norms.columns == weight.rows)
    let rowTiles = Tiles.cut(weight.rows, most: 64)
    let columnTiles = Tiles.cut(weight.columns, most: Tiles.inner, unit: 256)
    workers.run(rowTiles.count) { task, worker in
        let rows = rowTiles[task]
        var squares = [Double](repeating: 0, count: rows.count)
        for columns in columnTiles {
            let panel = MatrixView(
                base: workers.panel(worker), rows: rows.count, columns: columns.count, stride: columns.count)
            weight.widen(rows: rows, columns: columns, into: panel.base, stride: panel.stride)
            for update in updates {
                gemm(
                    update.b.rows(rows), update.a.columns(columns), into: panel, alpha: update.scale, beta: 1)
            }
            for row in 0..<panel.rows {
                for first in stride(from: 0, to: panel.columns, by: 256) {
                    let piece = panel.row(row) + first
                    squares[row] += Double(ck_dot(piece, piece, min(256, panel.columns - first)))
                }
            }
        }
        for (index, row) in rows.enumerated() { norms[0, row] = Float(squares[index].squareRoot()) }
    }
}
