import Layers
import LoRA
import Models
import Tensors
import Testing

/// Micro-batches in which prefixes are there once, beside the same examples each by itself.
@Suite struct SharedPrefixTests {
    let workers = Workers(count: 2)

    /// Examples of random tokens, the first of each family with labels within its prefix too.
    private func members(prefix: Int, own: [Int], seed: UInt64, trainsAll: Bool = true) -> [PackedBatch.Member] {
        let random = CounterRandom(seed: seed, purpose: 0)
        var count = 0
        func tokens(_ length: Int) -> [Int32] {
            defer { count += length }
            return (0..<length).map { Int32(random.uniform(count + $0) * 56) }
        }
        let shared = tokens(prefix)
        return own.enumerated().map { index, length in
            let example = shared + tokens(length)
            var labels = example
            for i in labels.indices where !trainsAll && i < prefix + 1 && (i + index) % 3 != 0 { labels[i] = -100 }
            return PackedBatch.Member(tokens: example, labels: labels, key: UInt32(index))
        }
    }

    /// Two prefixes and plain examples between them, shared or not.
    private func batch(shares: Bool) -> PackedBatch {
        var batch = PackedBatch()
        func append(_ family: [PackedBatch.Member], sharing prefix: Int) {
            if shares { batch.append(family, sharing: prefix) } else { family.forEach { batch.append($0) } }
        }
        append(members(prefix: 17, own: [1, 9, 30], seed: 1, trainsAll: false), sharing: 17)
        batch.append(members(prefix: 0, own: [12], seed: 2)[0])
        append(members(prefix: 21, own: [4, 1], seed: 3), sharing: 21)
        batch.append(members(prefix: 0, own: [1], seed: 4)[0])
        return batch
    }

    @Test func packing() {
        var batch = PackedBatch()
        batch.append(tokens: [7, 8], labels: [-100, 8], key: 9)
        batch.append(
            [
                .init(tokens: [1, 2, 3, 4, 5], labels: [1, 2, -100, 4, 5], key: 10),
                .init(tokens: [1, 2, 3, 6], labels: [-100, 2, 3, 6], key: 11),
                .init(tokens: [1, 2, 3, 4], labels: [-100, -100, -100, -100], key: 12),
            ], sharing: 3)
        #expect(batch.tokens == [7, 8, 1, 2, 3, 4, 5, 6, 4])
        #expect(batch.positions == [0, 1, 0, 1, 2, 3, 4, 3, 3])
        #expect(batch.segments.map(\.tokens) == [0..<2, 2..<5, 5..<7, 7..<8, 8..<9])
        #expect(batch.segments.map(\.prefix) == [0..<0, 0..<0, 2..<5, 2..<5, 2..<5])
        #expect(batch.trainedRows == [0, 2, 3, 4, 4, 5])
        #expect(batch.targets == [8, 2, 3, 4, 6, 5])
        #expect(batch.repeats == [1, 2, 1, 1, 1, 1])
        #expect(MicroBatchSize(batch) == MicroBatchSize(tokens: 9, trained: 6, segments: 5))
    }

    private func train(
        _ batch: PackedBatch, _ decoder: Decoder, _ adapter: Adapter
    ) -> (loss: LossSum, evaluated: LossSum, gradients: [[Float]]) {
        let sums = ExactSums(adapter.values.layout)
        let arena = Arena(bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: false))
        let loss = decoder.train(batch, factor: 0.01, dropout: nil, addingTo: sums, arena: arena, on: workers)
        let evaluated = decoder.evaluate(batch, arena: arena, on: workers)
        return (loss, evaluated, sums.layout.entries.indices.map { sums.values(entry: $0) })
    }

    @Test(arguments: tinyModels) func gradients(name: String) throws {
        let oracle = try Oracle(name)
        let base = try BaseModel(path: oracle.folder)
        let adapter = try oracle.adapter("adapter", for: base)
        let (shared, unshared) = (batch(shares: true), batch(shares: false))
        #expect(unshared.tokens.count == shared.tokens.count + 2 * 17 + 21)
        for (precision, tolerance) in [(Precision.fp32, 1e-5), (.bf16, 0.03)] {
            for checkpointing in Decoder.Checkpointing.allCases {
                let decoder = Decoder(
                    base: base, adapter: adapter, positions: 64, precision: precision, checkpointing: checkpointing)
                let (found, wanted) = (train(shared, decoder, adapter), train(unshared, decoder, adapter))
                #expect(found.loss.tokens == wanted.loss.tokens && found.loss == found.evaluated)
                #expect(abs(found.loss.mean - wanted.loss.mean) <= tolerance * wanted.loss.mean)
                for (index, entry) in adapter.values.layout.entries.enumerated() {
                    let error = relativeError(found.gradients[index], wanted.gradients[index])
                    #expect(error <= tolerance, "\(precision), \(entry.name): \(error)")
                }
            }
        }
    }

    /// An arena measured by counts alone holds every batch with these counts, whatever is shared.
    @Test(arguments: [Precision.fp32, .bf16]) func arenaHoldsEveryMix(_ precision: Precision) throws {
        let oracle = try Oracle("tied")
        let base = try BaseModel(path: oracle.folder)
        let adapter = try oracle.adapter("adapter", for: base)
        let decoder = Decoder(base: base, adapter: adapter, positions: 1024, precision: precision)
        let sums = ExactSums(adapter.values.layout)
        let ones = [Int](repeating: 1, count: 64)
        let mixes: [[(prefix: Int, own: [Int])]] = [
            [(16, ones)], [(385, [1, 1])], [(771, [1, 2, 3])], [(16, [1, 1]), (17, [1, 1]), (18, [1, 1])],
            [(383, [385, 1]), (16, [384, 770])],
        ]
        for mix in mixes {
            var batch = PackedBatch()
            var size = MicroBatchSize()
            for (seed, family) in mix.enumerated() {
                batch.append(
                    members(prefix: family.prefix, own: family.own, seed: UInt64(seed)), sharing: family.prefix)
                let tokens = family.prefix + family.own.reduce(0, +)
                size.tokens += tokens
                size.trained += tokens
                size.segments += family.own.count + 1
            }
            #expect(batch.targets.count < size.trained && batch.tokens.count == size.tokens)
            let arena = Arena(bytes: decoder.trainingArenaBytes(size, hasDropout: false))
            let loss = decoder.train(batch, factor: 0.01, dropout: nil, addingTo: sums, arena: arena, on: workers)
            #expect(loss.isFinite && Int(loss.tokens) == batch.repeats.reduce(0, +))
            let small = Arena(bytes: decoder.evaluationArenaBytes(size))
            #expect(decoder.evaluate(batch, arena: small, on: workers) == loss)
        }
    }
}
