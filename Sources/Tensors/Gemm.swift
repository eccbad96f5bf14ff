import CKernels
import COpenBLAS

/// c = alpha · op(a) · op(b) + beta · c in Float on one thread, by OpenBLAS.
/// Shapes: op(a) (m, k), op(b) (k, n), c (m, n).
public func gemm(
    _ a: MatrixView, transposeA: Bool = false, _ b: MatrixView, transposeB: Bool = false, into c: MatrixView,
    alpha: Float = 1, beta: Float = 0
) {
    let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
    let (k2, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(
        k == k2 && c.rows == m && c.columns == n, "gemm: (\(m), \(k)) · (\(k2), \(n)) into (\(c.rows), \(c.columns))")
    if m == 0 || n == 0 { return }
    OpenBLAS.takeOneThread()
    cblas_sgemm(
        CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasint(m),
        blasint(n), blasint(k), alpha, a.base, blasint(a.stride), b.base, blasint(b.stride), beta, c.base,
        blasint(c.stride))
}

/// The same, cut into tiles of c that the workers share; a narrow c is cut into shorter tiles, so that there is work for all.
public func gemm(
    _ a: MatrixView, transposeA: Bool = false, _ b: MatrixView, transposeB: Bool = false, into c: MatrixView,
    alpha: Float = 1, beta: Float = 0, on workers: Workers
) {
    let rowTiles = Tiles.cut(c.rows, most: c.columns <= Tiles.narrow ? Tiles.narrow : Tiles.rows, unit: 16)
    let columnTiles = Tiles.cut(c.columns, most: Tiles.columns, unit: 16)
    workers.run(rowTiles.count * columnTiles.count) { task, _ in
        let (i, j) = (rowTiles[task / columnTiles.count], columnTiles[task % columnTiles.count])
        gemm(
            transposeA ? a.columns(i) : a.rows(i), transposeA: transposeA, transposeB ? b.rows(j) : b.columns(j),
            transposeB: transposeB, into: c.rows(i).columns(j), alpha: alpha, beta: beta)
    }
}

/// What decides the last bits of a result on this machine: the instructions of the program's own kernels, and OpenBLAS's version
/// and kind of kernels.
public func numericsFingerprint() -> String {
    "bf16 \(bf16Instructions.rawValue), kernels \(ck_best_isa().rawValue), \(openBLASDescription())"
}
