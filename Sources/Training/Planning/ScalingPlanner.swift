import Models

/// The time of a run on some number of ranks.
struct ScalingPlanner {
    let work: PlannedWork
    let times: PieceTimes
    /// Threads of a rank for which `times` hold.
    let measuredThreads: Int
    /// Threads that the config or the command line ask for; nil to share the cores.
    let requestedThreads: Int?
    /// Cores of a node.
    let cores: Int
    let options: PlanOptions
    /// Bytes of a step's sums.
    let sumBytes: Int

    /// Bytes a second at which two ranks of a node add up sums of theirs, one way.
    static let localRate = 2.5e9
    /// Bytes of one call of MPI.
    private static let pieceBytes = 16 << 20

    /// Ranks that share a node where there are so many in all.
    func local(_ ranks: Int) -> Int { min(ranks, options.ranksPerNode) }

    /// Threads of each rank.
    func threads(_ ranks: Int) -> Int { requestedThreads ?? max(1, cores / local(ranks)) }

    /// How much longer a micro-batch takes than was measured: with fewer threads, or with more of them than cores.
    private func slowness(_ ranks: Int) -> Double {
        let threads = threads(ranks)
        let sharing = max(1, Double(threads * local(ranks)) / Double(cores))
        let own = max(1, Double(measuredThreads) / Double(cores))
        return Double(measuredThreads) / Double(threads) * sharing / own
    }

    /// Seconds to add up the sums of all ranks. A ring sends 2 (n − 1)/n of them over each link (Patarasuk & Yuan 2009), in pieces that
    /// each wait for twice log₂ n messages; the slowest kind of link counts.
    func sumSeconds(_ ranks: Int) -> Double {
        guard ranks > 1 else { return 0 }
        let sent = 2 * Double(ranks - 1) / Double(ranks) * Double(sumBytes)
        let nodes = nodes(ranks)
        let network = nodes > 1 ? sent / (options.networkGigabits * 1e9 / 8) : 0
        let memory = local(ranks) > 1 ? sent / Self.localRate : 0
        let pieces = Double((sumBytes + Self.pieceBytes - 1) / Self.pieceBytes)
        var hops = 0
        while 1 << hops < nodes { hops += 1 }
        return max(network, memory) + pieces * 2 * Double(hops) * options.latencySeconds
    }

    func nodes(_ ranks: Int) -> Int { (ranks + options.ranksPerNode - 1) / options.ranksPerNode }

    /// - Parameters:
    ///   - ranks: how many there are.
    ///   - nodeBytes: of the node of rank 0.
    /// - Returns: times and what follows from them.
    func figures(_ ranks: Int, nodeBytes: Int) -> ScalingFigures {
        let alone = stepSeconds(1)
        let step = stepSeconds(ranks)
        let scaled = times.scaled(by: slowness(ranks))
        let evaluation = work.evaluationSeconds(ranks: ranks, scaled.evaluation)
        return ScalingFigures(
            ranks: ranks, nodes: nodes(ranks), threads: threads(ranks), stepSeconds: step,
            sumSeconds: sumSeconds(ranks), tokensPerSecond: work.tokensPerStep / step,
            efficiency: alone / (step * Double(ranks)) * Double(threads(1)) / Double(threads(ranks)),
            runSeconds: work.steps.map { Double($0) * step + Double(work.evaluations) * evaluation },
            nodeBytes: nodeBytes)
    }

    private func stepSeconds(_ ranks: Int) -> Double {
        let scaled = times.scaled(by: slowness(ranks))
        return work.stepSeconds(ranks: ranks, scaled.training) + scaled.update + sumSeconds(ranks)
    }
}

/// Bytes a second at which a plan takes ranks of one node to add up their sums.
public var planLocalRate: Double { ScalingPlanner.localRate }
