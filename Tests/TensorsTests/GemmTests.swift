import Tensors
import Testing

@Suite struct GemmTests {
    /// Rows, inner length, columns: every edge of a tile (16, 128, 256, 512) from below and above.
    static let shapes: [(Int, Int, Int)] = [
        (1, 1, 1), (1, 15, 17), (17, 1, 15), (15, 16, 1), (16, 17, 16), (47, 48, 49), (49, 47, 48), (48, 49, 47),
        (255, 16, 257), (257, 15, 255), (256, 17, 256), (513, 15, 47), (512, 16, 128), (511, 17, 129), (2049, 15, 17),
        (17, 2049, 15), (15, 17, 2049), (1, 2049, 513), (513, 2049, 1), (127, 64, 127), (129, 9, 128), (640, 8, 300),
    ]

    @Test(arguments: shapes) func agreesWithPlainSums(_ shape: (Int, Int, Int)) {
        let (m, k, n) = shape
        var random = Seeded(UInt64(m * 31 + k * 7 + n))
        let (a, b, c) = (random.floats(m * k), random.floats(k * n), random.floats(m * n))
        let arena = Arena(bytes: (2 * (m * k + k * n) + 3 * m * n) * 4 + 4096)
        let (plainA, plainB) = (arena.matrix(m, k, a), arena.matrix(k, n, b))
        let turnedA = arena.matrix(k, m, transposed(a, rows: m, columns: k))
        let turnedB = arena.matrix(n, k, transposed(b, rows: k, columns: n))
        var fresh = Reference(rows: m, columns: n)
        fresh.add(a, b, inner: k)
        var added = Reference(rows: m, columns: n, filledWith: c)
        added.add(a, b, inner: k, factor: -0.5)

        for (transposeA, transposeB) in [(false, false), (false, true), (true, false), (true, true)] {
            let (left, right) = (transposeA ? turnedA : plainA, transposeB ? turnedB : plainB)
            let mark = arena.mark
            let output = arena.poisoned(m, n)
            gemm(left, transposeA: transposeA, right, transposeB: transposeB, into: output)
            #expect(fresh.worstError(output.elements) < sumTolerance(k))
            arena.release(to: mark)

            _ = checkSameForAllWorkers { workers in
                let mark = arena.mark
                defer { arena.release(to: mark) }
                let (output, sum) = (arena.poisoned(m, n), arena.matrix(m, n, c))
                gemm(left, transposeA: transposeA, right, transposeB: transposeB, into: output, on: workers)
                #expect(fresh.worstError(output.elements) < sumTolerance(k))
                gemm(
                    left, transposeA: transposeA, right, transposeB: transposeB, into: sum, alpha: -0.5, beta: 1,
                    on: workers)
                #expect(added.worstError(sum.elements) < sumTolerance(k))
                return bits(output) + bits(sum)
            }
        }
    }

    @Test func emptyMatricesAreNoWork() {
        let arena = Arena(bytes: 65_536)
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let x = arena.matrix(0, 5)
        gemm(x, arena.matrix(5, 3), into: arena.matrix(0, 3), on: workers)
        gemm(arena.matrix(4, 5), arena.matrix(5, 0), into: arena.matrix(4, 0), on: workers)
        let sum = arena.poisoned(4, 3)
        gemm(arena.matrix(0, 4), transposeA: true, arena.matrix(0, 3), into: sum, on: workers)
        #expect(sum.elements == [Float](repeating: 0, count: 12))
        let thin = arena.poisoned(4, 3)
        gemm(arena.matrix(4, 0), arena.matrix(0, 3), into: thin)
        #expect(thin.elements == [Float](repeating: 0, count: 12))
    }

    @Test func windowsLeaveTheirSurroundingsAlone() {
        var random = Seeded(5)
        let arena = Arena(bytes: 1 << 20)
        let (a, b) = (arena.matrix(40, 50, random.floats(2000)), arena.matrix(50, 60, random.floats(3000)))
        let whole = arena.matrix(64, 70)
        whole.fill(7)
        gemm(a.rows(3..<20).columns(5..<30), b.rows(10..<35).columns(2..<51), into: whole.rows(8..<25).columns(9..<58))
        var reference = Reference(rows: 17, columns: 49)
        reference.add(
            a.rows(3..<20).columns(5..<30).elements, b.rows(10..<35).columns(2..<51).elements, inner: 25)
        #expect(reference.worstError(whole.rows(8..<25).columns(9..<58).elements) < sumTolerance(25))
        whole.rows(8..<25).columns(9..<58).fill(7)
        #expect(whole.elements == [Float](repeating: 7, count: 64 * 70))
    }

    @Test func rateIsMeasured() {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        #expect(measureGEMM(on: workers) > 1e8)
        #expect(openBLASDescription().contains("OpenBLAS"))
    }
}
