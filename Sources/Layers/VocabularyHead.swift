import Foundation
public import Tensors

/// Cross-entropy of h Eᵀ against the targets, and its gradient with respect to h, in one pass over blocks of the vocabulary: for
/// each block the scores, their exponentials under a running maximum, and their product with the block (online softmax,
/// Milakov & Gimelshein 2018, with E in the place of the values). A block of E is widened once for both products; no matrix of
/// logits exists.
///
/// Shapes: E (vocabulary, features) frozen; h, dh (rows, features).
public struct VocabularyHead: Sendable {
    public let weight: StoredMatrix
    /// Rows of h that one task takes.
    private static let rows = 256
    /// Tasks that there should be at least; fewer rows cut the vocabulary into more parts.
    private static let tasks = 8

    public init(weight: StoredMatrix) { self.weight = weight }

    /// One running result per row and part of the vocabulary.
    private struct Part {
        let rows: Range<Int>
        let words: Range<Int>
        /// Σ exp(score − maximum) · E, (rows, features)
        let weighted: MatrixView?
        /// Columns: maximum, Σ exp(score − maximum), score of the target if it is in this part.
        let state: MatrixView
    }

    /// The loss of every row, and dh = (softmax(h Eᵀ) − onehot(target)) E · factor if dh is given.
    /// - Parameters:
    ///   - h: (rows, features).
    ///   - targets: one token of the vocabulary for each row.
    ///   - losses: (rows, 1), receives −log p(target).
    ///   - dh: (rows, features), replaced; nil if no gradient is wanted.
    ///   - factor: what each row's loss counts in the whole, 1 over the trained tokens of the global batch.
    ///   - arena: for what is needed on the way only; never less memory for more rows.
    ///   - workers: share blocks of rows and parts of the vocabulary.
    public func loss(
        _ h: MatrixView, targets: [Int32], into losses: MatrixView, dh: MatrixView?, factor: Float, arena: Arena,
        on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let parts = makeParts(h, wantsGradient: dh != nil, arena)
        workers.run(parts.count) { index, worker in run(parts[index], h, targets, worker, workers) }
        merge(parts, targets, losses, dh, factor, arena, workers)
    }

    private func makeParts(_ h: MatrixView, wantsGradient: Bool, _ arena: Arena) -> [Part] {
        let chunks = stride(from: 0, to: h.rows, by: Self.rows).map { $0..<min(h.rows, $0 + Self.rows) }
        let mostPieces = max(1, min(Self.tasks, weight.rows / 512))
        let pieces = max(1, min(Self.tasks / max(chunks.count, 1), mostPieces))
        let size = (weight.rows + pieces - 1) / pieces
        // Fewer rows may have more parts. The memory asked for is one that never falls as rows are added, so that an arena
        // measured for the most rows serves fewer too.
        let room = max(h.rows, min(mostPieces * h.rows, Self.tasks * Self.rows))
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
        part.weighted?.fill(0)
        for i in 0..<part.rows.count {
            part.state[i, 0] = -.infinity
            part.state[i, 1] = 0
            part.state[i, 2] = 0
        }
        forEachPanel(of: weight, rows: part.words, on: workers, worker: worker) { words, panel, tile in
            let scores = tile.rows(0..<part.rows.count).columns(0..<words.count)
            gemm(input, panel, transposeB: true, into: scores)
            for i in 0..<part.rows.count {
                let target = Int(targets[part.rows.lowerBound + i])
                if words.contains(target) { part.state[i, 2] = scores[i, target - words.lowerBound] }
                let old = part.state[i, 0]
                let largest = max(old, scores.largest(row: i, count: words.count))
                let kept = old == -.infinity ? 0 : exp(old - largest)
                if kept != 1 { part.weighted?.scale(row: i, by: kept) }
                let sum = scores.exponentiate(row: i, count: words.count, shift: largest)
                part.state[i, 0] = largest
                part.state[i, 1] = part.state[i, 1] * kept + sum
            }
            if let weighted = part.weighted { gemm(scores, panel, into: weighted, beta: 1) }
        }
    }

    private func merge(
        _ parts: [Part], _ targets: [Int32], _ losses: MatrixView, _ dh: MatrixView?, _ factor: Float, _ arena: Arena,
        _ workers: Workers
    ) {
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
                    losses[row, 0] = largest + log(sum) - score
                    guard let dh, let targetRows else { continue }
                    weight.copyRow(target, into: targetRows, row: row)
                    dh.rows(row..<row + 1).fill(0)
                    for part in chunk {
                        let share = exp(part.state[i, 0] - largest) / sum
                        dh.add(row: row, part.weighted!, row: i, scale: share * factor)
                    }
                    dh.add(row: row, targetRows, row: row, scale: -factor)
                }
            }
        }
    }

    /// Scores of all words for the rows of h.  Shapes: h (rows, features), logits (rows, vocabulary).
    public func logits(_ h: MatrixView, into logits: MatrixView, on workers: Workers) {
        multiply(h, [ForwardProduct(weight: weight, output: logits)], on: workers)
    }
}
