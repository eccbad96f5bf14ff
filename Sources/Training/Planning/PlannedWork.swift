import Collectives
import Datasets
import Foundation
import Models

/// The micro-batches of a run: those of its data, or of examples of `data.max_length` tokens where there is none.
struct PlannedWork {
    /// What a micro-batch consists of.
    struct Piece: Equatable {
        var tokens = 0, trained = 0, examples = 0
        /// Pairs of tokens that see each other.
        var pairs = 0.0
    }

    let cut: StepEngine.Cut
    let isAssumed: Bool
    let summary: DataSummary
    /// Updates; nil where neither data nor `max_steps` tell.
    let steps: Int?
    /// The micro-batches of some steps, spread evenly over the run.
    let sampled: [[Piece]]
    /// Tokens, trained tokens and example lengths of those steps.
    let lengths: [Int]
    let trained: Int
    /// Of an evaluation.
    let heldOut: [Piece]
    let evaluations: Int
    let largest: MicroBatchSize, largestHeldOut: MicroBatchSize
    /// Positions of the rotary table.
    let longest: Int

    /// Steps whose micro-batches are looked at.
    private static let most = 64

    /// The work of a run's data.
    init(_ data: RunData, _ config: RunConfig) {
        self.init(
            plan: data.plan, steps: data.totalSteps, longest: data.train.longest, positions: data.longest,
            summary: DataSummary(data.plan.rows.map { data.train.sizes[$0] }), sizes: data.train.sizes(of:),
            heldOut: data.heldOutSizes, isAssumed: false, config)
    }

    /// The work of examples that are as long as they may be, every token trained.
    init(assuming config: RunConfig) {
        let size = ExampleSize(tokens: config.data.maxLength, trained: max(1, config.data.maxLength - 1))
        let rows = Array(0..<config.training.globalBatchSize)
        self.init(
            plan: BatchPlan(rows: rows, batchSize: rows.count, seed: 0, shuffles: false),
            steps: config.training.maxSteps, longest: size.tokens, positions: size.tokens,
            summary: DataSummary(rows.map { _ in size }), sizes: { $0.map { _ in size } }, heldOut: [], isAssumed: true,
            config)
    }

    private init(
        plan: BatchPlan, steps: Int?, longest: Int, positions: Int, summary: DataSummary,
        sizes: (_ rows: [Int]) -> [ExampleSize], heldOut: [ExampleSize], isAssumed: Bool, _ config: RunConfig
    ) {
        let cut = StepEngine.Cut(config.training)
        self.cut = cut
        self.steps = steps
        self.isAssumed = isAssumed
        self.summary = summary
        self.longest = positions
        let count = max(1, steps ?? 1)
        let taken = min(count, Self.most)
        var (lengths, trained) = ([Int](), 0)
        sampled = (0..<taken).map { index in
            let sizes = sizes(plan.batch(index * count / taken))
            lengths += sizes.map(\.tokens)
            trained += sizes.reduce(0) { $0 + $1.trained }
            return cut.pieces(sizes).map { piece in Self.piece(piece.map { sizes[$0] }, cut) }
        }
        self.lengths = lengths
        self.trained = trained
        let pieces = cut.pieces(heldOut, chunk: StepEngine.Cut.evaluationChunk)
        self.heldOut = pieces.map { piece in Self.piece(piece.map { heldOut[$0] }, cut) }
        evaluations = heldOut.isEmpty ? 0 : config.training.evalSteps.map { (count + $0 - 1) / $0 } ?? 1
        // Of assumed examples one step is like the other.
        largest = cut.largest(of: plan, steps: isAssumed ? 1 : count, longest: longest, sizes: sizes)
        largestHeldOut = cut.largest(heldOut, chunk: StepEngine.Cut.evaluationChunk)
    }

    private static func piece(_ sizes: [ExampleSize], _ cut: StepEngine.Cut) -> Piece {
        var piece = Piece(tokens: cut.tokens(of: sizes), examples: sizes.count)
        piece.trained = min(piece.tokens, sizes.reduce(0) { $0 + $1.trained })
        func pairs(_ tokens: Int) -> Double { Double(tokens) * Double(tokens + 1) / 2 }
        for family in StepEngine.Cut.families(sizes) {
            let prefix = family.count > 1 ? sizes[family[0]].prefix?.tokens ?? 0 : 0
            piece.pairs += family.reduce(pairs(prefix)) { $0 + pairs(sizes[$1].tokens) - pairs(prefix) }
        }
        return piece
    }

    var tokensPerStep: Double { Double(lengths.reduce(0, +)) / Double(sampled.count) }
    var piecesPerStep: Double { Double(sampled.reduce(0) { $0 + $1.count }) / Double(sampled.count) }

    /// A micro-batch of mean size.
    var meanPiece: Piece {
        let pieces = sampled.joined()
        let count = max(1, pieces.count)
        func mean(_ value: KeyPath<Piece, Int>) -> Int {
            max(1, (pieces.reduce(0) { $0 + $1[keyPath: value] } + count / 2) / count)
        }
        return Piece(
            tokens: max(2, mean(\.tokens)), trained: mean(\.trained), examples: mean(\.examples),
            pairs: pieces.reduce(0) { $0 + $1.pairs } / Double(count))
    }

    /// Seconds of the mean step: each rank works off its micro-batches, and the last one counts.
    /// - Parameters:
    ///   - ranks: how many there are.
    ///   - seconds: of a micro-batch.
    /// - Returns: without the update and the sum over ranks.
    func stepSeconds(ranks: Int, _ seconds: (Piece) -> Double) -> Double {
        sampled.reduce(0) { $0 + slowest($1, ranks: ranks, seconds) } / Double(sampled.count)
    }

    /// Seconds of an evaluation.
    func evaluationSeconds(ranks: Int, _ seconds: (Piece) -> Double) -> Double {
        slowest(heldOut, ranks: ranks, seconds)
    }

    private func slowest(_ pieces: [Piece], ranks: Int, _ seconds: (Piece) -> Double) -> Double {
        MicroBatches.deal(pieces.map(\.tokens), ranks: ranks).map { $0.reduce(0) { $0 + seconds(pieces[$1]) } }.max()
            ?? 0
    }
}
