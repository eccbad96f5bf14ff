public import Tensors

/// y = silu(gate) · up, element by element.   (Shazeer 2020)
public enum SwiGLU {
    /// y, made where it is read; each row of gate and up is kept for the backward pass then.
    /// - Parameters:
    ///   - gate: (tokens, features), the target of `kept.gate`.
    ///   - up: (tokens, features), the target of `kept.up`.
    ///   - kept: what `rows(of:)` and `backward` read.
    /// - Returns: (tokens, features).
    public static func rows(
        gate: MatrixView, up: MatrixView, keeping kept: (gate: KeptMatrix, up: KeptMatrix)
    ) -> RowSource {
        RowSource(rows: gate.rows, columns: gate.columns) { row, target, _ in
            target.swiGLU(gate: gate.rows(row..<row + 1), up: up.rows(row..<row + 1))
            kept.gate.keep(row: row, of: gate)
            kept.up.keep(row: row, of: up)
        }
    }

    /// y again, from what was kept.
    public static func rows(of kept: (gate: KeptMatrix, up: KeptMatrix)) -> RowSource {
        RowSource(rows: kept.gate.rows, columns: kept.gate.columns) { row, target, scratch in
            var scratch = scratch
            target.swiGLU(
                gate: kept.gate.editable(row: row, &scratch), up: kept.up.editable(row: row, &scratch))
        }
    }

    /// Replaces gate and up by their gradients.  Shapes: all (tokens, features).
    public static func backward(
        _ dy: MatrixView, replacing kept: (gate: KeptMatrix, up: KeptMatrix), on workers: Workers
    ) {
        workers.rows(dy.rows) { range, worker in
            for row in range {
                var scratch = workers.scratch(worker)
                let (gate, up) = (kept.gate.editable(row: row, &scratch), kept.up.editable(row: row, &scratch))
                dy.swiGLUBackward(row: row, gate: gate, up: up)
                kept.gate.store(gate, row: row)
                kept.up.store(up, row: row)
            }
        }
    }
}
