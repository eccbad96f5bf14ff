/// Which examples each step trains: a pure function of (seed, epoch, position), never of ranks.
public struct BatchPlan: Sendable {
    /// Rows that are trained on, ascending: those whose size names no reason to drop them.
    public let rows: [Int]
    /// Most examples of a step (`training.global_batch_size`).
    public let batchSize: Int
    public let seed: UInt64
    /// Whether an epoch visits the rows in a new order; else in that of the files.
    public let shuffles: Bool

    /// A plan for at least one row, and at least one example a step.
    public init(rows: [Int], batchSize: Int, seed: UInt64, shuffles: Bool = true) {
        precondition(!rows.isEmpty && batchSize > 0, "a plan needs rows and a batch size")
        self.rows = rows
        self.batchSize = batchSize
        self.seed = seed
        self.shuffles = shuffles
    }

    /// Steps of an epoch. The last one trains what is left, which may be less than `batchSize`.
    public var stepsPerEpoch: Int { (rows.count + batchSize - 1) / batchSize }

    /// Which epoch a step belongs to, both from 0.
    public func epoch(of step: Int) -> Int { step / stepsPerEpoch }

    /// The rows of a step, from 0, in their order in the batch.
    public func batch(_ step: Int) -> [Int] {
        let first = step % stepsPerEpoch * batchSize
        let positions = first..<min(first + batchSize, rows.count)
        guard shuffles else { return positions.map { rows[$0] } }
        let order = RowOrder(count: rows.count, seed: seed, epoch: epoch(of: step))
        return positions.map { rows[order[$0]] }
    }

    /// Divides 0..<count (at least 2) into rows to train on and rows to evaluate on, both ascending; a function of the
    /// seed alone. `share` of the rows are held out (`data.eval_split`, above 0 and below 1): at least one is, and at
    /// least one is not.
    public static func heldOut(count: Int, share: Double, seed: UInt64) -> (training: [Int], heldOut: [Int]) {
        precondition(count >= 2 && share > 0 && share < 1, "a split needs two rows and a share between 0 and 1")
        let held = min(max(Int((Double(count) * share).rounded()), 1), count - 1)
        let order = RowOrder(count: count, seed: seed, epoch: 0, purpose: .heldOut)
        var isHeld = [Bool](repeating: false, count: count)
        for position in 0..<held { isHeld[order[position]] = true }
        return ((0..<count).filter { !isHeld[$0] }, (0..<count).filter { isHeld[$0] })
    }
}
