import Collectives
import Datasets
import Foundation
import LoRA
import Models
import Tensors
import Testing

@testable import Training

/// Steps in which examples share prefixes, beside the same steps without.
@Suite struct SharedPrefixTests {
    private let batch: [(example: Example, size: ExampleSize)]

    /// Three prefixes, one of which a single example has, and plain examples, in an order that mixes them.
    init() {
        let random = CounterRandom(seed: 11, purpose: 0)
        var count = 0
        func tokens(_ length: Int) -> [Int32] {
            defer { count += length }
            return (0..<length).map { Int32(random.uniform(count + $0) * 56) }
        }
        let prefixes = [tokens(16), tokens(23), tokens(18)]
        batch = [0, 1, nil, 0, 0, 2, 1, nil, 0, 1, 0].enumerated().map { place, index in
            let prefix = index.map { ExampleSize.Prefix(index: $0, tokens: prefixes[$0].count) }
            let tokens = (index.map { prefixes[$0] } ?? []) + tokens(1 + place * 5 % 13)
            let labels = tokens.indices.map { ($0 + place) % 4 == 0 ? Example.ignored : tokens[$0] }
            let trained = labels.dropFirst().count { $0 != Example.ignored }
            return (
                Example(tokens: tokens, labels: labels),
                ExampleSize(tokens: tokens.count, trained: trained, prefix: prefix)
            )
        }
    }

    private func sizes(shares: Bool) -> [ExampleSize] {
        batch.map { $0.size }.map {
            ExampleSize(tokens: $0.tokens, trained: $0.trained, prefix: shares ? $0.prefix : nil)
        }
    }

    @Test(arguments: [1, 3, 11]) func gradientsOfAStep(pieces: Int) throws {
        let base = try BaseModel(path: "\(Fixtures.models)/untied-gqa-f16")
        let adapter = try emptyAdapter(base, rank: 3, alpha: 6)
        let random = CounterRandom(seed: 5, purpose: 1)
        var count = 0
        adapter.load { _, rows, columns in
            defer { count += rows * columns }
            return (0..<rows * columns).map { (random.uniform(count + $0) - 0.5) * 0.2 }
        }
        let decoder = Decoder(base: base, adapter: adapter, positions: 64)
        let cut = StepEngine.Cut(microBatchTokens: 200, microBatchesPerStep: pieces)
        func step(shares: Bool) throws -> (StepSums, LossSum, [[Float]]) {
            let sizes = sizes(shares: shares)
            let sums = ExactSums(adapter.values.layout)
            let engine = StepEngine(
                decoder: decoder, workers: Workers(count: 2),
                arena: Arena(bytes: decoder.trainingArenaBytes(cut.largest(sizes), hasDropout: false)),
                world: .alone(), cut: cut)
            let load: StepEngine.Load = { (batch[$0].example, UInt32($0)) }
            let result = try engine.train(
                sizes, load: load, dropout: Decoder.Dropout(probability: 0, seed: 1, step: 0), into: sums)
            let loss = try engine.evaluate(sizes, usesAdapter: true, load: load)
            return (result, loss, sums.layout.entries.indices.map { sums.values(entry: $0) })
        }
        let (shared, sharedLoss, found) = try step(shares: true)
        let (alone, aloneLoss, wanted) = try step(shares: false)
        #expect(shared.tokens == alone.tokens && shared.loss.tokens == alone.loss.tokens)
        #expect(abs(shared.loss.mean - alone.loss.mean) <= 1e-6 * alone.loss.mean)
        #expect(abs(sharedLoss.mean - aloneLoss.mean) <= 1e-6 * aloneLoss.mean && sharedLoss.tokens == aloneLoss.tokens)
        for (index, entry) in adapter.values.layout.entries.enumerated() {
            let error = relativeError(found[index], wanted[index])
            #expect(error <= 1e-5, "\(entry.name): \(error)")
        }
    }

    @Test func familiesOfAPiece() {
        let families = StepEngine.Cut.families(sizes(shares: true))
        #expect(families == [[0, 3, 4, 8, 10], [1, 6, 9], [2], [5], [7]])
        #expect(StepEngine.Cut.families(sizes(shares: false)).count == batch.count)
    }

    /// What memory is measured with covers every micro-batch.
    @Test func largestCoversEveryPiece() {
        for limit in [40, 100, 300] {
            let cut = StepEngine.Cut(microBatchTokens: limit, microBatchesPerStep: 2)
            let sizes = sizes(shares: true)
            let largest = cut.largest(sizes)
            for piece in cut.pieces(sizes) {
                var packed = PackedBatch()
                for family in StepEngine.Cut.families(piece.map { sizes[$0] }) {
                    let members = family.map { place in
                        let example = batch[piece[place]].example
                        return PackedBatch.Member(tokens: example.tokens, labels: example.labels, key: 0)
                    }
                    if members.count > 1 {
                        packed.append(members, sharing: sizes[piece[family[0]]].prefix!.tokens)
                    } else {
                        packed.append(members[0])
                    }
                }
                let size = MicroBatchSize(packed)
                #expect(size.tokens <= largest.tokens && size.tokens == cut.tokens(of: piece.map { sizes[$0] }))
                #expect(size.trained <= largest.trained && size.segments <= largest.segments)
            }
        }
    }
}
