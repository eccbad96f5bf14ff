import CKernels

// Products of which each column is multiplied by a factor of its own: gain_j = magnitude_j / norm_j, where the norm counts as a
// constant. (Liu et al. 2024, "DoRA", eq. 5 and section 4.3)

/// gains = magnitudes / norms, (1, outputs) each; 0 where a norm is 0, as a row of zeros gives nothing to multiply.
public func gains(_ magnitudes: MatrixView, over norms: MatrixView, into gains: MatrixView) {
    precondition(magnitudes.columns == gains.columns && norms.columns == gains.columns)
    for j in 0..<gains.columns { gains[0, j] = norms[0, j] == 0 ? 0 : magnitudes[0, j] / norms[0, j] }
}

/// output (+)= gains ∘ z + bias for every row, and z is kept for the backward pass.
/// - Parameters:
///   - z: (tokens, outputs), the target of `kept`.
///   - kept: gets z.
///   - gains: (1, outputs).
///   - bias: (1, outputs) or nil.
///   - output: (tokens, outputs).
///   - accumulate: adds to what `output` holds.
///   - workers: share rows.
public func applyGains(
    _ z: MatrixView, keeping kept: KeptMatrix, gains: MatrixView, bias: MatrixView?, into output: MatrixView,
    accumulate: Bool, on workers: Workers
) {
    precondition(z.rows == output.rows && z.columns == output.columns && gains.columns == z.columns)
    workers.rows(z.rows) { range, _ in
        let (g, count) = (gains.row(0), z.columns)
        for row in range {
            kept.keep(row: row, of: z)
            let (x, y) = (z.row(row), output.row(row))
            if accumulate {
                for j in 0..<count { y[j] += g[j] * x[j] }
            } else {
                for j in 0..<count { y[j] = g[j] * x[j] }
            }
            if let bias { addScaled(bias.row(0), 1, y, count) }
        }
    }
}

/// dMagnitudes_j = Σ over tokens of dy_j z_j / norm_j, in Double and in the order of the tokens, and dz = gains ∘ dy.
///
/// Each task takes columns of its own and all tokens, so that no sum is split.
/// - Parameters:
///   - dOutput: dy (tokens, outputs).
///   - kept: z as the forward pass kept it.
///   - gains: (1, outputs).
///   - norms: (1, outputs).
///   - dProduct: dz (tokens, outputs); replaced.
///   - dMagnitudes: (1, outputs); replaced.
///   - workers: share columns.
public func gainsBackward(
    _ dOutput: KeptMatrix, kept: KeptMatrix, gains: MatrixView, norms: MatrixView, into dProduct: KeptMatrix,
    dMagnitudes: MatrixView, on workers: Workers
) {
    precondition(dOutput.rows == kept.rows && dProduct.rows == kept.rows)
    let tiles = Tiles.cut(kept.columns, most: Tiles.columns, unit: 16)
    workers.run(tiles.count) { task, worker in
        let columns = tiles[task]
        var scratch = workers.scratch(worker)
        let (dy, z) = (scratch.matrix(1, columns.count), scratch.matrix(1, columns.count))
        let (d, x, g) = (dy.row(0), z.row(0), gains.row(0) + columns.lowerBound)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: columns.count) { sums in
            sums.initialize(repeating: 0)
            let sum = sums.baseAddress!
            for row in 0..<kept.rows {
                dOutput.copy(row: row, columns, to: d)
                kept.copy(row: row, columns, to: x)
                for j in 0..<columns.count { sum[j] += Double(d[j]) * Double(x[j]) }
                for j in 0..<columns.count { d[j] *= g[j] }
                dProduct.replace(row: row, columns, by: d)
            }
            for (index, column) in columns.enumerated() {
                let norm = norms[0, column]
                dMagnitudes[0, column] = norm == 0 ? 0 : Float(sum[index] / Double(norm))
            }
        }
    }
}

extension KeptMatrix {
    /// Copies some columns of a row, as Floats.
    fileprivate func copy(row: Int, _ columns: Range<Int>, to target: UnsafeMutablePointer<Float>) {
        switch self {
        case .floats(let x): target.update(from: x.row(row) + columns.lowerBound, count: columns.count)
        case .rounded(let x): ck_widen_bf16(x.row(row) + columns.lowerBound, target, columns.count)
        }
    }

    /// Sets some columns of a row.
    fileprivate func replace(row: Int, _ columns: Range<Int>, by source: UnsafePointer<Float>) {
        switch self {
        case .floats(let x): (x.row(row) + columns.lowerBound).update(from: source, count: columns.count)
        case .rounded(let x): ck_round_bf16(source, x.row(row) + columns.lowerBound, columns.count)
        }
    }
}
