public import Tensors

/// y = silu(gate) · up, element by element.   (Shazeer 2020)
public enum SwiGLU {
    /// Shapes: all (tokens, features).
    public static func forward(gate: MatrixView, up: MatrixView, into y: MatrixView, on workers: Workers) {
        workers.rows(y.rows) { range, _ in
            for t in range { y.swiGLU(row: t, gate: gate, up: up) }
        }
    }

    /// Replaces gate and up by their gradients.  Shapes: all (tokens, features).
    public static func backward(_ dy: MatrixView, replacingGate gate: MatrixView, up: MatrixView, on workers: Workers) {
        workers.rows(dy.rows) { range, _ in
            for t in range { dy.swiGLUBackward(row: t, gate: gate, up: up) }
        }
    }
}
