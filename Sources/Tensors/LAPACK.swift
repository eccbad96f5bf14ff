import COpenBLAS

// The routines of LAPACK that a singular value decomposition is made of, in Double and on one thread. Vectors of length n stand one
// behind the other, which is LAPACK's order of columns.

/// A routine of LAPACK did not come to a result.
public struct LAPACKError: Error, CustomStringConvertible {
    public let routine: String
    public let code: Int
    public var description: String {
        "LAPACK's \(routine) found no result (error \(code)); is every number of the matrix finite?"
    }
}

enum LAPACK {
    /// The largest eigenvalues of a symmetric matrix, the largest first, and their unit vectors.
    /// - Parameters:
    ///   - matrix: (n, n), of which one triangle counts; it is destroyed.
    ///   - n: its size.
    ///   - count: how many.
    /// - Returns: `count` values, and as many vectors of n elements.
    /// - Throws: `LAPACKError`.
    static func largestEigenpairs(
        _ matrix: inout [Double], n: Int, count: Int
    ) throws(LAPACKError) -> (values: [Double], vectors: [Double]) {
        precondition(matrix.count == n * n && count >= 1 && count <= n)
        OpenBLAS.takeOneThread()
        let size = [blasint(n)]
        let (first, last, zero) = ([blasint(n - count + 1)], [blasint(n)], [0.0])
        var (found, info) = (blasint(0), blasint(0))
        var values = [Double](repeating: 0, count: n)
        var vectors = [Double](repeating: 0, count: n * count)
        var support = [blasint](repeating: 0, count: 2 * n)
        var (work, integers): ([Double], [blasint]) = ([0], [0])
        // The first call asks how much room the second needs. By columns, the upper triangle of rows is the lower one.
        for isQuestion in [true, false] {
            let (room, integerRoom) = (isQuestion ? -1 : work.count, isQuestion ? -1 : integers.count)
            dsyevr_(
                "V", "I", "L", size, &matrix, size, zero, zero, first, last, zero, &found, &values, &vectors, size,
                &support, &work, [blasint(room)], &integers, [blasint(integerRoom)], &info, 1, 1, 1)
            guard info == 0 else { throw LAPACKError(routine: "dsyevr", code: Int(info)) }
            if isQuestion {
                work = [Double](repeating: 0, count: Int(work[0]))
                integers = [blasint](repeating: 0, count: Int(integers[0]))
            }
        }
        guard Int(found) == count else { throw LAPACKError(routine: "dsyevr", code: Int(found)) }
        let order = (0..<count).reversed()
        return (order.map { values[$0] }, order.flatMap { vectors[$0 * n..<($0 + 1) * n] })
    }

    /// Replaces vectors by orthonormal ones that span the same space.
    /// - Parameters:
    ///   - vectors: `count` vectors of n elements.
    ///   - n: at least `count`.
    ///   - count: how many.
    /// - Throws: `LAPACKError`.
    static func orthonormalize(_ vectors: inout [Double], n: Int, count: Int) throws(LAPACKError) {
        precondition(vectors.count == n * count && count <= n)
        OpenBLAS.takeOneThread()
        let (rows, columns) = ([blasint(n)], [blasint(count)])
        var info = blasint(0)
        var factors = [Double](repeating: 0, count: count)
        var work = [Double](repeating: 0, count: 64 * count)
        let room = [blasint(work.count)]
        dgeqrf_(rows, columns, &vectors, rows, &factors, &work, room, &info)
        guard info == 0 else { throw LAPACKError(routine: "dgeqrf", code: Int(info)) }
        dorgqr_(rows, columns, columns, &vectors, rows, factors, &work, room, &info)
        guard info == 0 else { throw LAPACKError(routine: "dorgqr", code: Int(info)) }
    }
}
