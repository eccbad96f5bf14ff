import Foundation
public import Tensors

/// Cross-entropy of h Eᵀ against the targets, and its gradient with respect to h, in one pass over blocks of the vocabulary: for
/// each block the scores, their exponentials under a running maximum, and their product with the block (online softmax,
/// Milakov & Gimelshein 2018, with E in the place of the values). A block of E is widened once for both products; no matrix of
/// logits exists.
///
/// Shapes: E (vocabulary, features); h, dh (rows, features).
public struct VocabularyHead: Sendable {
    public let weight: StoredMatrix
    let precision: Precision
    /// Rows of h that one task takes; more in bf16, where packing a block of E costs more beside its products.
    private var rows: Int { precision == .bf16 ? 512 : 256 }
    /// Tasks that there should be at least; fewer rows cut the vocabulary into more parts.
    private static let tasks = 8

    /// - Parameters:
    ///   - weight: (vocabulary, features).
    ///   - precision: what the inputs of products are rounded to.
    public init(weight: StoredMatrix, precision: Precision = .fp32) {
        self.weight = weight
        self.precision = precision
    }

    /// One running result per row and part of the vocabulary.
    private struct Part {
        let rows: Range<Int>
        let words: Range<Int>
        /// Σ exp(score − maximum) · E, (rows, features)
        let weighted: MatrixView?
        /// Columns: maximum, Σ exp(score − maximum), score of the target if it is in this part.
        let state: MatrixView

        func clear() {
            weighted?.fill(0)
            for i in 0..<rows.count {
                state[i, 0] = -.infinity
                state[i, 1] = 0
                state[i, 2] = 0
            }
        }

        /// Turns the scores of some words for some of the part's rows into exponentials under the new maximum, and brings the
        /// running results under it.
        func take(_ scores: MatrixView, rows some: Range<Int>, words: Range<Int>, _ targets: [Int32]) {
            for (row, i) in some.enumerated() {
                let target = Int(targets[rows.lowerBound + i])
                if words.contains(target) { state[i, 2] = scores[row, target - words.lowerBound] }
                let old = state[i, 0]
                let largest = max(old, scores.largest(row: row, count: words.count))
                let kept = old == -.infinity ? 0 : exp(old - largest)
                if kept != 1 { weighted?.scale(row: i, by: kept) }
                let sum = scores.exponentiate(row: row, count: words.count, shift: largest)
                state[i, 0] = largest
                state[i, 1] = state[i, 1] * kept + sum
            }
        }
    }

    /// The loss of every row, and dh = (softmax(h Eᵀ) − onehot(target)) E · factor if dh is given; with label smoothing the
    /// smoothed target stands in the place of onehot(target).
    /// - Parameters:
    ///   - h: (rows, features).
    ///   - targets: one token of the vocabulary for each row.
    ///   - losses: (rows, 1), receives −log p(target).
    ///   - dh: (rows, features), replaced; nil if no gradient is wanted.
    ///   - factor: what each row's loss counts in the whole, 1 over the trained tokens of the global batch.
    ///   - smoothing: nil for plain cross-entropy.
    ///   - logSums: (rows, 1), receives log Σ exp(score); nil if it is not wanted.
    ///   - arena: for what is needed on the way only; never less memory for more rows.
    ///   - workers: share blocks of rows and parts of the vocabulary.
    public func loss(
        _ h: MatrixView, targets: [Int32], into losses: MatrixView, dh: MatrixView?, factor: Float,
        smoothing: LabelSmoothing? = nil, logSums: MatrixView? = nil, arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let parts = makeParts(h, wantsGradient: dh != nil, arena)
        switch precision {
        case .fp32: workers.run(parts.count) { index, worker in run(parts[index], h, targets, worker, workers) }
        case .bf16:
            let packed = arena.packed(h, on: workers)
            workers.run(parts.count) { index, worker in run(parts[index], packed, targets, worker, workers) }
        }
        merge(parts, h, targets, losses, dh, factor, smoothing, logSums, arena, workers)
    }

    private func makeParts(_ h: MatrixView, wantsGradient: Bool, _ arena: Arena) -> [Part] {
        let chunks = stride(from: 0, to: h.rows, by: rows).map { $0..<min(h.rows, $0 + rows) }
        let mostPieces = max(1, min(Self.tasks, weight.rows / 512))
        let pieces = max(1, min(Self.tasks / max(chunks.count, 1), mostPieces))
        let size = (weight.rows + pieces - 1) / pieces
        // Fewer rows may have more parts. The memory asked for is one that never falls as rows are added, so that an arena
        // measured for the most rows serves fewer too.
        let room = max(h.rows, min(mostPieces * h.rows, Self.tasks * rows))
        let weighted = wantsGradient ? arena.matrix(room, h.columns) : nil
        let states = arena.matrix(room, 3)
        var used = 0
        return chunks.flatMap { rows in
            stride(from: 0, to: weight.rows, by: size).map { first in
                let own = used..<used + rows.count
                used = own.upperBound
                return Part(
                    rows: rows, words: first..<min(weight.rows, first + size), weighted: weighted?.rows(own),
                    state: states.rows(own))
            }
        }
    }

    private func run(_ part: Part, _ h: MatrixView, _ targets: [Int32], _ worker: Int, _ workers: Workers) {
        let input = h.rows(part.rows)
        part.clear()
        forEachPanel(of: weight, rows: part.words, on: workers, worker: worker) { words, panel, tile in
            let scores = tile.rows(0..<part.rows.count).columns(0..<words.count)
            gemm(input, panel, transposeB: true, into: scores)
            part.take(scores, rows: 0..<part.rows.count, words: words, targets)
            if let weighted = part.weighted { gemm(scores, panel, into: weighted, beta: 1) }
        }
    }

    private func run(_ part: Part, _ h: PackedRows, _ targets: [Int32], _ worker: Int, _ workers: Workers) {
        part.clear()
        forEachPackedBlock(of: weight, rows: part.words, on: workers, worker: worker) { block in
            for start in stride(from: 0, to: part.rows.count, by: PackedBlock.tokens) {
                let rows = start..<min(part.rows.count, start + PackedBlock.tokens)
                let scores = block.scores(
                    h, rows: part.rows.lowerBound + rows.lowerBound..<part.rows.lowerBound + rows.upperBound)
                part.take(scores, rows: rows, words: block.rows, targets)
                if let weighted = part.weighted { block.addProduct(of: scores, to: weighted.rows(rows)) }
            }
        }
    }

    private func merge(
        _ parts: [Part], _ h: MatrixView, _ targets: [Int32], _ losses: MatrixView, _ dh: MatrixView?, _ factor: Float,
        _ smoothing: LabelSmoothing?, _ logSums: MatrixView?, _ arena: Arena, _ workers: Workers
    ) {
        let spread = smoothing?.share ?? 0
        let chunks = Dictionary(grouping: parts) { $0.rows.lowerBound }.sorted { $0.key < $1.key }.map(\.value)
        let targetRows = dh.map { arena.matrix($0.rows, $0.columns) }
        for chunk in chunks {
            let rows = chunk[0].rows
            workers.rows(rows.count) { range, _ in
                for i in range {
                    let row = rows.lowerBound + i
                    let target = Int(targets[row])
                    let largest = chunk.map { $0.state[i, 0] }.max()!
                    var sum: Float = 0
                    for part in chunk { sum += part.state[i, 1] * exp(part.state[i, 0] - largest) }
                    let score = chunk.first { $0.words.contains(target) }!.state[i, 2]
                    let logSum = largest + log(sum)
                    logSums?[row, 0] = logSum
                    losses[row, 0] = logSum - (1 - spread) * score
                    if let smoothing { losses[row, 0] -= spread * h.dot(row: row, smoothing.mean, row: 0) }
                    guard let dh, let targetRows else { continue }
                    weight.copyRow(target, into: targetRows, row: row)
                    dh.rows(row..<row + 1).fill(0)
                    for part in chunk {
                        let share = exp(part.state[i, 0] - largest) / sum
                        dh.add(row: row, part.weighted!, row: i, scale: share * factor)
                    }
                    dh.add(row: row, targetRows, row: row, scale: -factor * (1 - spread))
                    if let smoothing { dh.add(row: row, smoothing.mean, row: 0, scale: -factor * spread) }
                }
            }
        }
    }

    /// Scores of all words for the rows of h.  Shapes: h (rows, features), logits (rows, vocabulary).
    /// - Parameters:
    ///   - h: (rows, features).
    ///   - logits: (rows, vocabulary), replaced.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share tiles of the product.
    public func logits(_ h: MatrixView, into logits: MatrixView, arena: Arena, on workers: Workers) {
        guard precision == .bf16 else {
            multiply(h, [ForwardProduct(weight: weight, output: logits)], on: workers)
            return
        }
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let term = PackedTerm(left: arena.packed(h, on: workers), right: .weightRowsAreColumns(weight))
        multiply([PackedProduct([term], into: logits)], on: workers)
    }
}
