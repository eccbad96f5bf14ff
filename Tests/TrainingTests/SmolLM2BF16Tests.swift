import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training

/// The checked model in bf16 beside itself in fp32, which the oracles hold.
@Suite(.serialized) struct SmolLM2BF16Tests {
    @Test func logitsAreNearThoseInFP32() throws {
        let tokens = try Fixtures.json(Fixtures.own + "/smollm2-logits.json")["tokens"]!.array!.map { Int32($0.int!) }
        let base = try BaseModel(path: Fixtures.smolLM2)
        let found = Precision.allCases.map { precision in
            logits(
                Decoder(base: base, adapter: nil, positions: 64, precision: precision), tokens, usesAdapter: false,
                on: Workers(count: 2))
        }
        let largest = found[0].map(\.magnitude).max()!
        let worst = zip(found[0], found[1]).map { abs($0 - $1) }.max()!
        #expect(worst > 0 && worst <= 2e-2 * largest, "\(worst) of \(largest)")
        print("figures: SmolLM2 logits in bf16: max |Δ| \(worst) of \(largest): \(worst / largest)")
    }

    /// Gradients of every A and B, packed examples, for one and two workers.
    @Test func gradientsPointWhereThoseInFP32Do() throws {
        let base = try BaseModel(path: Fixtures.smolLM2)
        let adapter = try emptyAdapter(base, rank: 16, alpha: 32)
        // Neither A nor B is zero, so that both have a gradient.
        let random = CounterRandom(seed: 3, purpose: 0)
        var count = 0
        for entry in adapter.values.layout.entries.indices {
            let matrix = adapter.values[entry]
            matrix.copy(
                from: (0..<matrix.rows * matrix.columns).map { (random.uniform(count + $0) - 0.5) * 0.05 })
            count += matrix.rows * matrix.columns
        }
        var batch = PackedBatch()
        for (key, row) in try Fixtures.smolLM2Rows().prefix(4).enumerated() {
            batch.append(tokens: row.tokens, labels: row.labels, key: UInt32(key))
        }
        func gradients(_ precision: Precision, workers count: Int) -> (loss: Double, values: [[Float]]) {
            let decoder = Decoder(base: base, adapter: adapter, positions: batch.tokens.count, precision: precision)
            let workers = Workers(count: count)
            defer { workers.stop() }
            let sums = ExactSums(adapter.values.layout)
            let arena = Arena(
                bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: false))
            let loss = decoder.train(
                batch, factor: 1 / Float(batch.targets.count), dropout: nil, addingTo: sums, arena: arena, on: workers)
            return (loss.mean, sums.layout.entries.indices.map { sums.values(entry: $0) })
        }
        let exact = gradients(.fp32, workers: 2)
        let found = gradients(.bf16, workers: 2)
        let alone = gradients(.bf16, workers: 1)
        #expect(alone.loss == found.loss && alone.values == found.values, "one worker differs from two")
        #expect(abs(found.loss - exact.loss) < 0.01, "loss \(found.loss) in bf16, \(exact.loss) in fp32")
        var lowest = 1.0
        for (index, entry) in adapter.values.layout.entries.enumerated() {
            let cosine = cosine(found.values[index], exact.values[index])
            lowest = min(lowest, cosine)
            #expect(cosine > 0.98, "\(entry.name): cosine \(cosine)")
        }
        let whole = cosine(found.values.flatMap { $0 }, exact.values.flatMap { $0 })
        #expect(whole >= 0.999, "cosine of the whole gradient \(whole)")
        print("figures: SmolLM2 gradients in bf16: cosine \(whole) to fp32, lowest of a tensor \(lowest)")
    }

    private func cosine(_ a: [Float], _ b: [Float]) -> Double {
        var (product, aa, bb) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            product += Double(x) * Double(y)
            aa += Double(x) * Double(x)
            bb += Double(y) * Double(y)
        }
        return product / (aa * bb).squareRoot()
    }
}
