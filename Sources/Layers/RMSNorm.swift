public import Tensors

/// y = x / sqrt(mean(x²) + ε) · w for every token.   (Zhang & Sennrich 2019, eq. 4)
public struct RMSNorm: Sendable {
    private let weight: ConstantMatrix
    private let epsilon: Float

    /// - Parameters:
    ///   - weight: w, (1, features), frozen.
    ///   - epsilon: ε.
    public init(weight: ConstantMatrix, epsilon: Float) {
        self.weight = weight
        self.epsilon = epsilon
    }

    /// Shapes: x and y (tokens, features); inverseRMS (tokens, 1) keeps 1/rms for the backward pass.
    public func forward(_ x: MatrixView, into y: MatrixView, inverseRMS: MatrixView, on workers: Workers) {
        workers.rows(x.rows) { range, _ in
            for t in range {
                inverseRMS[t, 0] = y.rmsNorm(row: t, of: x, row: t, weight: weight.view, epsilon: epsilon)
            }
        }
    }

    /// y, made where it is read; inverseRMS (tokens, 1) keeps 1/rms for the backward pass.
    public func rows(of x: MatrixView, keeping inverseRMS: MatrixView) -> RowSource {
        RowSource(rows: x.rows, columns: x.columns) { row, target, _ in
            inverseRMS[row, 0] = target.rmsNorm(row: 0, of: x, row: row, weight: weight.view, epsilon: epsilon)
        }
    }

    /// y again, from x and 1/rms, made where it is read.
    public func rows(of x: MatrixView, inverseRMS: MatrixView) -> RowSource {
        RowSource(rows: x.rows, columns: x.columns) { row, target, _ in
            target.rmsNormAgain(row: 0, of: x, row: row, weight: weight.view, inverseRMS: inverseRMS[row, 0])
        }
    }

    /// dx += ∂y/∂x · dy.  Shapes: all (tokens, features).
    public func backward(
        _ dy: MatrixView, x: MatrixView, inverseRMS: MatrixView, addingTo dx: MatrixView, on workers: Workers
    ) {
        workers.rows(x.rows) { range, _ in
            for t in range {
                dx.addRMSNormBackward(
                    row: t, dOutput: dy, row: t, x: x, row: t, weight: weight.view, inverseRMS: inverseRMS[t, 0])
            }
        }
    }
}
