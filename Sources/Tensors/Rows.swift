import CKernels

// What layers do with whole rows. Each call works on one row of its matrices; callers share rows out with `Workers.rows`.

func addScaled(_ x: UnsafePointer<Float>, _ scale: Float, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    ck_add_scaled(x, scale, y, count)
}

extension MatrixView {
    /// Σ self[row]·other[otherRow].
    public func dot(row: Int, _ other: MatrixView, row otherRow: Int) -> Float {
        precondition(columns == other.columns && row < rows && otherRow < other.rows)
        return ck_dot(self.row(row), other.row(otherRow), columns)
    }

    /// self[row] += scale · other[otherRow].
    public func add(row: Int, _ other: MatrixView, row otherRow: Int, scale: Float = 1) {
        precondition(columns == other.columns && row < rows && otherRow < other.rows)
        ck_add_scaled(other.row(otherRow), scale, self.row(row), columns)
    }

    /// Adds one number to every element of a row.
    public func add(row: Int, constant: Float) {
        precondition(row < rows)
        let elements = self.row(row)
        for column in 0..<columns { elements[column] += constant }
    }

    /// self[row] *= factor.
    public func scale(row: Int, by factor: Float) {
        precondition(row < rows)
        ck_scale(self.row(row), factor, columns)
    }

    /// The largest element of the first `count` of a row.
    public func largest(row: Int, count: Int) -> Float {
        precondition(row < rows && count <= columns)
        return ck_max(self.row(row), count)
    }

    /// Replaces the first `count` elements of a row by exp(scale · element − shift) and returns their sum.
    public func exponentiate(row: Int, count: Int, scale: Float = 1, shift: Float) -> Float {
        precondition(row < rows && count <= columns)
        return ck_exp_sum(self.row(row), scale, shift, count)
    }

    /// Sets columns from … end of a row to zero.
    public func clear(row: Int, from column: Int) {
        precondition(row < rows && column <= columns)
        (self.row(row) + column).update(repeating: 0, count: columns - column)
    }

    /// self = p · (self − delta) · scale on the first `count` elements of a row: softmax backward.
    public func softmaxBackward(row: Int, probabilities p: MatrixView, delta: Float, scale: Float, count: Int) {
        precondition(row < rows && count <= columns && count <= p.columns && row < p.rows)
        ck_softmax_backward(p.row(row), self.row(row), delta, scale, count)
    }

    /// Softmax backward from scores: they become probabilities p = exp(scale · score − shift), and this row, the gradient of p,
    /// becomes p · (self − delta) · scale, on the first `count` elements.
    public func softmaxBackward(row: Int, scores: MatrixView, scale: Float, shift: Float, delta: Float, count: Int) {
        precondition(row < rows && row < scores.rows && count <= columns && count <= scores.columns)
        ck_softmax_scores_backward(scores.row(row), self.row(row), scale, shift, delta, count)
    }

    /// self[row] = RMSNorm of x[row] with weight (1, features); returns 1/rms.
    public func rmsNorm(row: Int, of x: MatrixView, row xRow: Int, weight: MatrixView, epsilon: Float) -> Float {
        precondition(x.columns == columns && weight.columns == columns && row < rows && xRow < x.rows)
        return ck_rms_norm(x.row(xRow), weight.row(0), epsilon, self.row(row), columns)
    }

    /// self[row] = the same norm again from a known 1/rms.
    public func rmsNormAgain(row: Int, of x: MatrixView, row xRow: Int, weight: MatrixView, inverseRMS: Float) {
        precondition(x.columns == columns && weight.columns == columns && row < rows && xRow < x.rows)
        ck_rms_norm_again(x.row(xRow), weight.row(0), inverseRMS, self.row(row), columns)
    }

    /// self[row] += gradient of RMSNorm with respect to its input x[xRow].
    public func addRMSNormBackward(
        row: Int, dOutput: MatrixView, row dRow: Int, x: MatrixView, row xRow: Int, weight: MatrixView,
        inverseRMS: Float
    ) {
        precondition(x.columns == columns && weight.columns == columns && dOutput.columns == columns)
        precondition(row < rows && dRow < dOutput.rows && xRow < x.rows)
        ck_rms_norm_backward(dOutput.row(dRow), x.row(xRow), weight.row(0), inverseRMS, self.row(row), columns)
    }

    /// self = silu(gate) · up, (1, features) each.
    public func swiGLU(gate: MatrixView, up: MatrixView) {
        precondition(gate.columns == columns && up.columns == columns)
        ck_swiglu(gate.row(0), up.row(0), row(0), columns)
    }

    /// Replaces gate and up, (1, features), by their gradients, given row `row` of this matrix as the gradient of
    /// silu(gate) · up.
    public func swiGLUBackward(row: Int, gate: MatrixView, up: MatrixView) {
        precondition(gate.columns == columns && up.columns == columns && row < rows)
        ck_swiglu_backward(self.row(row), gate.row(0), up.row(0), columns)
    }

    /// Rotates every head of a row by its position. cosine and sine are (positions, headSize/2); `inverse` rotates back, which is
    /// the gradient.
    public func rotate(row: Int, heads: Int, cosine: MatrixView, sine: MatrixView, position: Int, inverse: Bool) {
        let half = columns / heads / 2
        precondition(row < rows && cosine.columns == half && sine.columns == half && position < cosine.rows)
        for head in 0..<heads {
            ck_rotate(
                self.row(row) + head * 2 * half, cosine.row(position), sine.row(position), inverse ? -1 : 1, half)
        }
    }

    /// Where the first NaN or infinity stands, or nil.
    public func firstNonFinite() -> (row: Int, column: Int)? {
        for row in 0..<rows {
            let column = ck_first_non_finite(self.row(row), columns)
            if column >= 0 { return (row, Int(column)) }
        }
        return nil
    }
}
