import COpenBLAS

/// How the principal singular values of a matrix are found.
public enum PrincipalMethod: Sendable {
    /// By the eigenvectors of W Wᵀ, or of Wᵀ W if that is smaller.
    case exact
    /// By subspace iteration from random vectors, with so many power iterations. (Halko et al. 2009, algorithms 4.4 and 5.1; as
    /// torch.svd_lowrank)
    case iterated(Int, CounterRandom)
}

/// The part of a matrix that belongs to its largest singular values, cut in the middle: W ≈ scale · b a with
/// a = √(S/scale) Vᵀ and b = U √(S/scale). (Meng et al. 2024, "PiSSA", eq. 2 and 3; scaled as PEFT's `pissa_init`.) Computed in Double
/// on one thread; the signs of the singular vectors are whatever they are.
/// - Parameters:
///   - weight: W (outputs, inputs), of plain numbers.
///   - rank: how many singular values; at most as many as W has rows and columns.
///   - scale: above 0.
///   - method: how they are found.
/// - Returns: a (rank, inputs) and b (outputs, rank), row after row.
/// - Throws: `LAPACKError` for a matrix with a number that is not finite.
public func principalFactors(
    of weight: StoredMatrix, rank: Int, scale: Double, method: PrincipalMethod
) throws(LAPACKError) -> (a: [Float], b: [Float]) {
    precondition(rank >= 1 && rank <= min(weight.rows, weight.columns) && scale > 0)
    OpenBLAS.takeOneThread()
    let panels = DoublePanels(weight: weight)
    let (outputs, inputs) = (weight.rows, weight.columns)
    // Singular vectors, one behind the other: those of one side have length 1, those of the other their singular value.
    let left: [Double], right: [Double], values: [Double]
    let isLeftUnit: Bool
    switch method {
    case .exact:
        isLeftUnit = outputs <= inputs
        let size = min(outputs, inputs)
        var gram = isLeftUnit ? panels.gramOfRows() : panels.gramOfColumns()
        let pairs = try LAPACK.largestEigenpairs(&gram, n: size, count: rank)
        values = pairs.values.map { max($0, 0).squareRoot() }
        left = isLeftUnit ? pairs.vectors : panels.rowProducts(pairs.vectors, rank)
        right = isLeftUnit ? panels.columnProducts(pairs.vectors, rank) : pairs.vectors
    case .iterated(let count, let random):
        isLeftUnit = true
        var basis = panels.rowProducts(random.normals(rank * inputs).map(Double.init), rank)
        try LAPACK.orthonormalize(&basis, n: outputs, count: rank)
        for _ in 0..<count {
            var turned = panels.columnProducts(basis, rank)
            try LAPACK.orthonormalize(&turned, n: inputs, count: rank)
            basis = panels.rowProducts(turned, rank)
            try LAPACK.orthonormalize(&basis, n: outputs, count: rank)
        }
        let projected = panels.columnProducts(basis, rank)
        var gram = product(projected, rank, projected, rank, inner: inputs, transposeB: true)
        let pairs = try LAPACK.largestEigenpairs(&gram, n: rank, count: rank)
        values = pairs.values.map { max($0, 0).squareRoot() }
        left = product(pairs.vectors, rank, basis, outputs, inner: rank, transposeB: false)
        right = product(pairs.vectors, rank, projected, inputs, inner: rank, transposeB: false)
    }
    var a = [Float](repeating: 0, count: rank * inputs)
    var b = [Float](repeating: 0, count: outputs * rank)
    let floor = (values.max() ?? 0) * 1e-7
    for i in 0..<rank {
        // What is below the floor is rounding: the side that would be divided by it stays zero.
        let unit = (values[i] / scale).squareRoot()
        let other = values[i] > floor ? 1 / (values[i] * scale).squareRoot() : 0
        let (rightFactor, leftFactor) = isLeftUnit ? (other, unit) : (unit, other)
        for j in 0..<inputs { a[i * inputs + j] = Float(right[i * inputs + j] * rightFactor) }
        for j in 0..<outputs { b[j * rank + i] = Float(left[i * outputs + j] * leftFactor) }
    }
    return (a, b)
}

/// a · b or a · bᵀ in Double.  Shapes: a (rows, inner), the result (rows, columns).
private func product(
    _ a: [Double], _ rows: Int, _ b: [Double], _ columns: Int, inner: Int, transposeB: Bool
) -> [Double] {
    var c = [Double](repeating: 0, count: rows * columns)
    cblas_dgemm(
        CblasRowMajor, CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns),
        blasint(inner), 1, a, blasint(inner), b, blasint(transposeB ? inner : columns), 0, &c, blasint(columns))
    return c
}

/// Products with a weight that is widened to Double panel by panel.
private struct DoublePanels {
    let weight: StoredMatrix
    private static let size = 256

    private func panel(rows: Range<Int>, columns: Range<Int>) -> [Double] {
        let floats = [Float](unsafeUninitializedCapacity: rows.count * columns.count) { buffer, count in
            weight.widen(rows: rows, columns: columns, into: buffer.baseAddress!, stride: columns.count)
            count = rows.count * columns.count
        }
        return floats.map(Double.init)
    }

    private func forEachRowPanel(_ body: (_ rows: Range<Int>, _ panel: [Double]) -> Void) {
        for rows in Tiles.cut(weight.rows, most: Self.size) {
            body(rows, panel(rows: rows, columns: 0..<weight.columns))
        }
    }

    /// The upper triangle of W Wᵀ (rows, rows).
    func gramOfRows() -> [Double] {
        let n = weight.rows
        var gram = [Double](repeating: 0, count: n * n)
        for columns in Tiles.cut(weight.columns, most: Self.size, unit: Self.size) {
            let panel = panel(rows: 0..<n, columns: columns)
            cblas_dsyrk(
                CblasRowMajor, CblasUpper, CblasNoTrans, blasint(n), blasint(columns.count), 1, panel,
                blasint(columns.count), 1, &gram, blasint(n))
        }
        return gram
    }

    /// The upper triangle of Wᵀ W (columns, columns).
    func gramOfColumns() -> [Double] {
        let n = weight.columns
        var gram = [Double](repeating: 0, count: n * n)
        forEachRowPanel { rows, panel in
            cblas_dsyrk(
                CblasRowMajor, CblasUpper, CblasTrans, blasint(n), blasint(rows.count), 1, panel, blasint(n), 1, &gram,
                blasint(n))
        }
        return gram
    }

    /// x Wᵀ.  Shapes: x (count, columns of W), the result (count, rows of W).
    func rowProducts(_ x: [Double], _ count: Int) -> [Double] {
        let n = weight.columns
        var out = [Double](repeating: 0, count: count * weight.rows)
        forEachRowPanel { rows, panel in
            out.withUnsafeMutableBufferPointer {
                cblas_dgemm(
                    CblasRowMajor, CblasNoTrans, CblasTrans, blasint(count), blasint(rows.count), blasint(n), 1, x,
                    blasint(n), panel, blasint(n), 0, $0.baseAddress! + rows.lowerBound, blasint(weight.rows))
            }
        }
        return out
    }

    /// x W.  Shapes: x (count, rows of W), the result (count, columns of W).
    func columnProducts(_ x: [Double], _ count: Int) -> [Double] {
        let n = weight.columns
        var out = [Double](repeating: 0, count: count * n)
        forEachRowPanel { rows, panel in
            x.withUnsafeBufferPointer {
                cblas_dgemm(
                    CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(count), blasint(n), blasint(rows.count), 1,
                    $0.baseAddress! + rows.lowerBound, blasint(weight.rows), panel, blasint(n), 1, &out, blasint(n))
            }
        }
        return out
    }
}
