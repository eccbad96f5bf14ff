import Tensors

/// Biases, frozen or trained.
extension ProjectionGroup {
    /// Tokens whose gradients are added before the sum goes to that of all tokens, to round less.
    private static let block = 64

    /// What a projection adds: its trained bias in the slab, or the base's.
    func bias(_ index: Int, _ slab: ParameterSlab?) -> MatrixView? {
        guard let slab, let entry = projections[index].trainedBias else { return projections[index].bias?.view }
        return slab[entry]
    }

    /// Adds dBias = Σ dy over tokens for every trained bias. Columns are shared out, so that no sum is split.
    func addBiasGradients(
        _ dOutputs: [KeptMatrix], addingTo sums: ExactSums, arena: Arena, on workers: Workers
    ) {
        for (projection, dOutput) in zip(projections, dOutputs) {
            guard let entry = projection.trainedBias else { continue }
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let dy = arena.matrix(RowSource(dOutput), on: workers)
            let (all, some) = (arena.matrix(1, dy.columns), arena.matrix(1, dy.columns))
            workers.rows(dy.columns, grain: 128) { columns, _ in
                let (dy, all, some) = (dy.columns(columns), all.columns(columns), some.columns(columns))
                all.fill(0)
                for first in stride(from: 0, to: dy.rows, by: Self.block) {
                    some.fill(0)
                    for row in first..<min(dy.rows, first + Self.block) { some.add(row: 0, dy, row: row) }
                    all.add(row: 0, some, row: 0)
                }
            }
            sums.add(all, to: entry..<entry + 1, on: workers)
        }
    }
}
