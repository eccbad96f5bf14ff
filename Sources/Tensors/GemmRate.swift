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
    let begin = ContinuousClock.now
    withExtendedLifetime(arena) {
        workers.run(workers.count) { task, _ in
            for _ in 0..<repetitions { gemm(sets[task].a, sets[task].b, into: sets[task].c) }
        }
    }
    let time = begin.duration(to: .now)
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    return Double(2 * rows * rows * inner * repetitions * workers.count) / seconds
}
