import CKernels
import Glibc

/// The rate of single-precision GEMM on all workers at once, in operations a second: each multiplies matrices of
/// 512 × 1024 and 1024 × 512 of its own, some times.
public func measureGEMM(on workers: Workers) -> Double {
    let (rows, inner, repetitions) = (512, 1024, 16)
    let arena = Arena(bytes: workers.count * (2 * rows * inner + rows * rows) * 4 + 4096)
    let sets = (0..<workers.count).map { _ in
        (a: arena.matrix(rows, inner), b: arena.matrix(inner, rows), c: arena.matrix(rows, rows))
    }
    for set in sets {
        set.a.fill(0.5)
        set.b.fill(0.25)
        gemm(set.a, set.b, into: set.c)
    }
    return rate(2 * rows * rows * inner * repetitions, on: workers) { task in
        for _ in 0..<repetitions { gemm(sets[task].a, sets[task].b, into: sets[task].c) }
    }
}

/// The rate of the bf16 kernel on all workers at once, in operations a second: each multiplies packed matrices of 512 × 1024 and
/// 1024 × 96 of its own, some times.
public func measureBF16GEMM(on workers: Workers) -> Double {
    let (rows, inner, columns, repetitions) = (512, 1024, 96, 160)
    let words = PackedRows.wordCount(rows: rows, columns: inner) + inner * columns / 2
    let arena = Arena(bytes: workers.count * (words + rows * (inner + columns)) * 4 + 4096)
    let sets = (0..<workers.count).map { _ in
        let (a, c) = (arena.matrix(rows, inner), arena.matrix(rows, columns))
        a.fill(0.5)
        let right = arena.matrix(1, inner * columns / 2)
        right.fill(0.25)
        return (a: arena.packed(a, on: workers), right: right, c: c)
    }
    return rate(2 * rows * columns * inner * repetitions, on: workers) { task in
        let set = sets[task]
        set.right.row(0).withMemoryRebound(to: UInt32.self, capacity: inner * columns / 2) { right in
            let right = PackedColumns(words: right, inner: inner, columns: columns)
            var term = set.a.term(fromRow: 0, column: 0, count: inner, right: right)
            for _ in 0..<repetitions {
                ck_bf16_gemm(bf16Instructions, &term, 1, rows, columns, set.c.row(0), columns, 0)
            }
        }
    }
}

/// Operations a second where every worker does `operations`.
private func rate(_ operations: Int, on workers: Workers, _ work: (_ worker: Int) -> Void) -> Double {
    let begin = ContinuousClock.now
    workers.run(workers.count) { task, _ in work(task) }
    let time = begin.duration(to: .now)
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    return Double(operations * workers.count) / seconds
}
