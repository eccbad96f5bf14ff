public import Collectives
public import Datasets
public import Models
public import Tensors

/// What all ranks know of a step after its sums.
public struct StepSums: Sendable {
    public var loss = LossSum()
    /// Tokens of the global batch.
    public var tokens = 0
    /// A gradient or loss was NaN or infinite on some rank; or left the range of the exact sums.
    public var sawNonFinite = false, sawOutOfRange = false
    /// Seconds that this rank waited for the last one.
    public var waitSeconds = 0.0
    /// Positions in the batch of the examples of this rank's micro-batches whose loss or gradient was NaN, infinite or out of range.
    public var wrong: [Int] = []
    /// What the ranks told each other, summed.
    public var notes: [Int64] = []
}

/// Runs the micro-batches of a global batch that fall to this rank, and adds up over ranks. Which rank computes what leaves no
/// trace in the sums: the pieces are cut without knowing of ranks, and both gradients and losses are added as integers.
public struct StepEngine {
    public let decoder: Decoder
    public let workers: Workers
    public let arena: Arena
    public let world: Communicator
    let cut: Cut

    /// How a batch is cut into micro-batches.
    public struct Cut: Sendable {
        public let microBatchTokens: Int, microBatchesPerStep: Int
        /// Examples of an evaluation that are cut into micro-batches together.
        static let evaluationChunk = 128
        public init(microBatchTokens: Int, microBatchesPerStep: Int) {
            self.microBatchTokens = microBatchTokens
            self.microBatchesPerStep = microBatchesPerStep
        }

        public init(_ config: TrainingConfig) {
            self.init(
                microBatchTokens: config.microBatchTokens, microBatchesPerStep: config.microBatchesPerStep)
        }

        /// The most tokens, trained tokens and segments of any micro-batch of these examples.
        func largest(_ sizes: [ExampleSize], chunk: Int = Int.max) -> MicroBatchSize {
            pieces(sizes, chunk: min(chunk, max(1, sizes.count))).reduce(into: MicroBatchSize()) { most, piece in
                most.cover(size(of: piece.map { sizes[$0] }))
            }
        }

        /// A bound for the micro-batch of these examples. What several train within a shared prefix is one prediction, so that there
        /// are no more of these than tokens.
        private func size(of piece: [ExampleSize]) -> MicroBatchSize {
            let tokens = tokens(of: piece)
            return MicroBatchSize(
                tokens: tokens, trained: min(tokens, piece.reduce(0) { $0 + $1.trained }),
                segments: Cut.families(piece).reduce(0) { $0 + $1.count + ($1.count > 1 ? 1 : 0) })
        }

        /// The tokens that a piece computes.
        func tokens(of piece: [ExampleSize]) -> Int { MicroBatches.tokens(of: piece.map { ($0.tokens, $0.prefix) }) }

        /// The examples of a piece that are computed together because they share a prefix, as places in the piece; every other
        /// example by itself. By the first of each, ascending.
        static func families(_ piece: [ExampleSize]) -> [[Int]] {
            var families: [[Int]] = []
            for (place, size) in piece.enumerated() {
                if let prefix = size.prefix, let family = families.firstIndex(where: { piece[$0[0]].prefix == prefix })
                {
                    families[family].append(place)
                } else {
                    families.append([place])
                }
            }
            return families
        }

        /// The micro-batches of examples with these sizes, as positions in the batch.
        /// Where the order of examples is free, as in an evaluation, `chunk` bounds how many are cut together.
        public func pieces(_ sizes: [ExampleSize], chunk: Int) -> [[Int]] {
            stride(from: 0, to: sizes.count, by: chunk).flatMap { first in
                pieces(Array(sizes[first..<min(sizes.count, first + chunk)])).map { $0.map { $0 + first } }
            }
        }

        /// The micro-batches of the examples of one step, as positions in the batch.
        public func pieces(_ sizes: [ExampleSize]) -> [[Int]] {
            MicroBatches.cut(
                sizes.map { ($0.tokens, $0.prefix) }, limit: microBatchTokens, atLeast: microBatchesPerStep)
        }
    }

    public init(decoder: Decoder, workers: Workers, arena: Arena, world: Communicator, cut: Cut) {
        self.decoder = decoder
        self.workers = workers
        self.arena = arena
        self.world = world
        self.cut = cut
    }

    /// An example of the batch when its turn comes.
    public typealias Load = (_ position: Int) throws -> (example: Example, key: UInt32)

    /// Adds the gradients of a global batch to `sums`, over all ranks.
    /// - Parameters:
    ///   - sizes: of all examples of the batch, in its order.
    ///   - load: gives an example of the batch by position.
    ///   - dropout: of this step, or nil. With dropout or noise no size may name a prefix.
    ///   - sums: are set to zero first; then the same on every rank.
    ///   - notes: numbers, as many on each rank, that are added up with the losses; asked for when this rank's work is done.
    /// - Returns: what all ranks know of the step.
    /// - Throws: what `load` throws, and `MPIError`.
    public func train(
        _ sizes: [ExampleSize], load: Load, dropout: Decoder.Dropout?, into sums: ExactSums,
        notes: () -> [Int64] = { [] }
    ) throws -> StepSums {
        sums.zero()
        decoder.prepare(on: workers)
        let trained = sizes.reduce(0) { $0 + $1.trained }
        var step = StepSums()
        var reach: Int64 = 0
        for piece in share(of: sizes, cut.pieces(sizes)) {
            let batch = try pack(piece, sizes, load)
            let loss = decoder.train(
                batch, factor: 1 / Float(trained), dropout: dropout, addingTo: sums, arena: arena, on: workers)
            let summands = sums.takePiece()
            if !loss.isFinite || summands.sawNonFinite || summands.sawOutOfRange { step.wrong += piece }
            step.sawNonFinite = step.sawNonFinite || summands.sawNonFinite
            step.sawOutOfRange = step.sawOutOfRange || summands.sawOutOfRange
            reach += summands.reach
            step.loss.add(loss)
        }
        step.tokens = sizes.reduce(0) { $0 + $1.tokens }
        step.notes = notes()
        step.waitSeconds = try unsafe sums.withIntegers { try unsafe world.allReduceExact($0) }
        return try summed(step, reach: reach)
    }

    /// The loss over all examples and ranks.
    /// - Parameters:
    ///   - sizes: of all examples, in their order.
    ///   - usesAdapter: false for the base alone.
    ///   - load: gives an example by position.
    /// - Returns: the sum of the losses, the same on every rank.
    /// - Throws: what `load` throws, and `MPIError`.
    public func evaluate(_ sizes: [ExampleSize], usesAdapter: Bool, load: Load) throws -> LossSum {
        var step = StepSums()
        if usesAdapter { decoder.prepare(on: workers) }
        for piece in share(of: sizes, cut.pieces(sizes, chunk: Cut.evaluationChunk)) {
            let batch = try pack(piece, sizes, load)
            step.loss.add(decoder.evaluate(batch, usesAdapter: usesAdapter, arena: arena, on: workers))
        }
        return try summed(step).loss
    }

    /// The pieces that this rank computes.
    private func share(of sizes: [ExampleSize], _ pieces: [[Int]]) -> [[Int]] {
        let costs = pieces.map { cut.tokens(of: $0.map { sizes[$0] }) }
        return MicroBatches.deal(costs, ranks: world.size)[world.rank].map { pieces[$0] }
    }

    private func pack(_ positions: [Int], _ sizes: [ExampleSize], _ load: Load) throws -> PackedBatch {
        var batch = PackedBatch()
        for family in Cut.families(positions.map { sizes[$0] }) {
            let members = try family.map { place in
                let (example, key) = try load(positions[place])
                return PackedBatch.Member(tokens: example.tokens, labels: example.labels, key: key)
            }
            if members.count > 1, let prefix = sizes[positions[family[0]]].prefix {
                batch.append(members, sharing: prefix.tokens)
            } else {
                batch.append(members[0])
            }
        }
        return batch
    }

    private func summed(_ step: StepSums, reach: Int64 = 0) throws -> StepSums {
        var numbers: [Int64] = [
            step.loss.units, step.loss.tokens, step.loss.isFinite ? 0 : 1, step.sawNonFinite ? 1 : 0,
            step.sawOutOfRange ? 1 : 0, reach,
        ]
        let own = numbers.count
        numbers += step.notes
        try world.allReduceSum(&numbers)
        var total = step
        total.loss.units = numbers[0]
        total.loss.tokens = numbers[1]
        total.loss.isFinite = numbers[2] == 0
        total.sawNonFinite = numbers[3] != 0
        total.sawOutOfRange = numbers[4] != 0 || numbers[5] >= ExactSums.Piece.reachLimit
        total.notes = Array(numbers[own...])
        return total
    }
}
