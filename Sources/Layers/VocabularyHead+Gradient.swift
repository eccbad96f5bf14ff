public import Tensors

/// Targets of which a share is spread over the whole vocabulary: (1 − share) onehot(target) + share / words, as Transformers'
/// LabelSmoother has them (Szegedy et al. 2016, section 7). The mean of all scores of a row is h · mean, so that smoothing costs
/// one product with a vector.
public struct LabelSmoothing: Sendable {
    public let share: Float
    /// The mean of the rows of E, (1, features).
    public let mean: MatrixView

    /// - Parameters:
    ///   - share: in 0 ..< 1.
    ///   - mean: what `VocabularyHead.meanRow` gives.
    public init(share: Float, mean: MatrixView) {
        self.share = share
        self.mean = mean
    }
}

extension VocabularyHead {
    /// Rows of E that are added before their sum goes to that of all, to round less.
    private static let meanRows = 512
    /// Words of a block whose gradient exists at once.
    private static let gradientWords = 1024

    /// The mean of the rows of E, (1, features), cut from the arena; the same for every number of workers.
    public func meanRow(arena: Arena, on workers: Workers) -> MatrixView {
        let mean = arena.matrix(1, weight.columns)
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let blocks = (weight.rows + Self.meanRows - 1) / Self.meanRows
        let (sums, words) = (arena.matrix(blocks, weight.columns), arena.matrix(blocks, weight.columns))
        workers.rows(blocks, grain: 1) { range, _ in
            for block in range {
                sums.rows(block..<block + 1).fill(0)
                for word in block * Self.meanRows..<min(weight.rows, (block + 1) * Self.meanRows) {
                    weight.copyRow(word, into: words, row: block)
                    sums.add(row: block, words, row: block)
                }
            }
        }
        workers.rows(1) { _, _ in
            mean.fill(0)
            for block in 0..<blocks { mean.add(row: 0, sums, row: block) }
            mean.scale(row: 0, by: 1 / Float(weight.rows))
        }
        return mean
    }

    /// Adds the gradient of E, a trained matrix, to `sums`: dE = Σ over rows of (softmax(h Eᵀ) − target) ⊗ h · factor, by blocks
    /// of the vocabulary, whose scores are computed again.
    /// - Parameters:
    ///   - h: (rows, features).
    ///   - table: E, (vocabulary, features), as `weight` has it.
    ///   - targets: one token of the vocabulary for each row.
    ///   - logSums: (rows, 1), as `loss` gave them.
    ///   - factors: what each row's loss counts in the whole.
    ///   - smoothing: as in `loss`.
    ///   - sums: receive the gradient.
    ///   - entry: of E in the layout of `sums`.
    ///   - arena: for what is needed on the way only; never less memory for more rows.
    ///   - workers: share tiles of the products.
    public func backward(
        _ h: MatrixView, table: MatrixView, targets: [Int32], logSums: MatrixView, factors: [Float],
        smoothing: LabelSmoothing?, addingTo sums: ExactSums, entry: Int, arena: Arena, on workers: Workers
    ) {
        precondition(table.rows == weight.rows && h.rows == targets.count && h.rows == factors.count)
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let most = min(Self.gradientWords, table.rows)
        let (scores, dE) = (arena.matrix(h.rows, most), arena.matrix(most, h.columns))
        let packed = precision == .bf16 ? arena.packed(h, on: workers) : nil
        for first in stride(from: 0, to: table.rows, by: most) {
            let inner = arena.mark
            defer { arena.release(to: inner) }
            let words = first..<min(table.rows, first + most)
            let slopes = scores.columns(0..<words.count)
            if let packed {
                let right = RightOperand.rowsAreColumns(table.rows(words), scale: 1)
                multiply([PackedProduct([PackedTerm(left: packed, right: right)], into: slopes)], on: workers)
            } else {
                gemm(h, table.rows(words), transposeB: true, into: slopes, on: workers)
            }
            workers.rows(h.rows) { range, _ in
                for row in range {
                    turnIntoSlopes(slopes, row, words, Int(targets[row]), logSums[row, 0], factors[row], smoothing)
                }
            }
            let gradient = dE.rows(0..<words.count)
            if packed != nil {
                let left = arena.packedTransposed(slopes, on: workers)
                let right = arena.right(RowSource(h), on: workers)
                multiply([PackedProduct([PackedTerm(left: left, right: right)], into: gradient)], on: workers)
            } else {
                gemm(slopes, transposeA: true, h, into: gradient, on: workers)
            }
            sums.add(gradient, rows: words.map { (source: $0 - first, target: $0) }, to: entry, on: workers)
        }
    }

    /// Turns the scores of some words in a row into (softmax − target) · factor.
    private func turnIntoSlopes(
        _ scores: MatrixView, _ row: Int, _ words: Range<Int>, _ target: Int, _ logSum: Float, _ factor: Float,
        _ smoothing: LabelSmoothing?
    ) {
        _ = scores.exponentiate(row: row, count: words.count, shift: logSum)
        if let smoothing { scores.add(row: row, constant: -smoothing.share / Float(weight.rows)) }
        if words.contains(target) { scores[row, target - words.lowerBound] -= 1 - (smoothing?.share ?? 0) }
        scores.scale(row: row, by: factor)
    }
}
