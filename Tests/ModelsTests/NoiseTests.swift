import LoRA
import Tensors
import Testing

@testable import Models

/// NEFTune's noise on embeddings. (Jain et al. 2023)
@Suite struct NoiseTests {
    private let decoder: Decoder

    init() throws {
        let base = try BaseModel(path: Oracle.fixtures + "/untied-gqa-f16")
        decoder = Decoder(base: base, adapter: nil, positions: 64)
    }

    /// What is added to the vectors of examples, (tokens, hidden) row by row.
    private func noise(
        _ examples: [(key: UInt32, length: Int)], alpha: Double = 5, step: Int = 3, seed: UInt64 = 7, threads: Int = 1
    ) -> [[Float]] {
        var batch = PackedBatch()
        for example in examples {
            let tokens = (0..<example.length).map { Int32($0 % 50) }
            batch.append(tokens: tokens, labels: tokens, key: example.key)
        }
        let width = decoder.base.config.hidden
        let arena = Arena(bytes: batch.tokens.count * width * 4 + 4096)
        let x = arena.matrix(batch.tokens.count, width)
        x.fill(0)
        let dropout = Decoder.Dropout(probability: 0, seed: seed, step: step, neftuneAlpha: alpha)
        decoder.addNoise(dropout, batch, to: x, on: Workers(count: threads))
        return withExtendedLifetime(arena) {
            var first = 0
            return examples.map { example in
                defer { first += example.length }
                return x.rows(first..<first + example.length).elements
            }
        }
    }

    /// U(±α/√(L · hidden)): bounded, and of its mean and variance. L is the length of the example itself.
    @Test func rangeAndScale() {
        for (index, values) in noise([(1, 60), (2, 15)]).enumerated() {
            let length = index == 0 ? 60 : 15
            let bound = 5 / Float(length * 32).squareRoot()
            #expect(values.allSatisfy { abs($0) <= bound })
            #expect(values.map(abs).max()! > 0.98 * bound)
            let count = Double(values.count)
            let mean = values.reduce(0) { $0 + Double($1) } / count
            let variance = values.reduce(0) { $0 + Double($1) * Double($1) } / count
            // Of n numbers: the mean's deviation is bound/√(3n), the variance's 0.9 of the variance/√n.
            #expect(abs(mean) < 4 * Double(bound) / (3 * count).squareRoot(), "\(mean)")
            let expected = Double(bound * bound) / 3
            #expect(abs(variance - expected) < 4 * 0.9 * expected / count.squareRoot(), "\(variance) \(expected)")
        }
        #expect(noise([(1, 9)], alpha: 0)[0].allSatisfy { $0 == 0 })
    }

    /// A function of (seed, step, example, position, feature) alone: not of the batch that an example is in.
    @Test func dependsOnTheExampleAlone() {
        let alone = noise([(1, 9)])[0]
        #expect(noise([(4, 3), (1, 9), (2, 9)], threads: 2)[1] == alone)
        for other in [noise([(2, 9)]), noise([(1, 9)], step: 4), noise([(1, 9)], seed: 8)] {
            #expect(other[0] != alone)
        }
        #expect(Set(alone).count > 9 * 32 - 3, "positions and features share numbers")
    }
}
