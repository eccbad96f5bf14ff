import Collectives
import Tensors

/// What it takes to add up a step's gradients: exactly, and as floats in whatever order.
public struct SumCost: Sendable {
    /// Seconds to add one micro-batch's gradients to a rank's sums, and to add the sums of all ranks.
    public var adding: Double, reducing: Double
    /// The same with floats.
    public var plainAdding: Double, plainReducing: Double

    /// What exact sums cost more in a step of one micro-batch on each rank, in seconds.
    public var extra: Double { adding + reducing - plainAdding - plainReducing }

    /// Medians of measurements, of this rank.
    /// - Parameters:
    ///   - sums: of the trained matrices; what they hold is lost.
    ///   - workers: as many threads as train.
    ///   - world: the ranks; each calls this.
    /// - Throws: `MPIError`.
    init(_ sums: ExactSums, on workers: Workers, _ world: Communicator) throws {
        let layout = sums.layout
        // Zeros that are only read take no memory.
        let gradients = ParameterSlab(layout)
        let plain = ParameterSlab(layout)
        var times: [[Double]] = [[], [], [], []]
        for _ in 0..<7 {
            try world.barrier()
            times[0].append(
                seconds {
                    for entry in layout.entries.indices {
                        sums.add(gradients[entry], to: entry..<entry + 1, on: workers)
                    }
                })
            try world.barrier()
            times[1].append(try seconds { _ = try unsafe sums.withIntegers { try unsafe world.allReduceExact($0) } })
            times[2].append(
                seconds {
                    for entry in layout.entries.indices {
                        let (source, target) = (gradients[entry], plain[entry])
                        workers.rows(source.rows, grain: max(1, 8192 / source.columns)) { range, _ in
                            for row in range { target.add(row: row, source, row: row) }
                        }
                    }
                })
            try world.barrier()
            times[3].append(
                try seconds {
                    try unsafe plain.withMutableBytes {
                        try unsafe world.allReducePlain($0.bindMemory(to: Float.self))
                    }
                })
        }
        (adding, reducing, plainAdding, plainReducing) = (
            median(times[0]), median(times[1]), median(times[2]), median(times[3])
        )
    }
}
