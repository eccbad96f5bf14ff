import Layers
import LoRA
import Tensors
import Testing

@testable import Models

@Suite struct KnownShapeTests {
    /// The parameters that the models' own pages and `transformers` count.
    @Test(arguments: [
        ("smollm2-135m", 134_515_008), ("llama-3.2-1b", 1_235_814_400), ("llama-3.2-3b", 3_212_749_824),
        ("llama-3.1-8b", 8_030_261_248),
    ])
    func parameters(name: String, count: Int) throws {
        let config = try #require(KnownShape.named(name)).config
        #expect(config.parameterCount == count)
        let norms = (2 * config.layers + 1) * config.hidden
        #expect(config.bf16ByteCount == 2 * (count - norms))
        #expect(config.heads % config.keyHeads == 0 && config.headSize % 2 == 0)
    }

    @Test func unknownNames() {
        #expect(KnownShape.named("llama-3.2-2b") == nil)
        #expect(Set(KnownShape.all.map(\.name)).count == KnownShape.all.count)
    }

    private static let tiny = DecoderConfig(
        vocabulary: 96, hidden: 32, intermediate: 64, layers: 2, heads: 4, keyHeads: 2, headSize: 8, normEpsilon: 1e-5,
        ropeTheta: 10_000, ropeScaling: .none, tiedEmbeddings: false, attentionBias: false, mlpBias: false,
        maxPositions: 16, endTokens: [])

    /// A random model trains: its loss begins at that of a guess, and each phase took its time.
    @Test(arguments: Precision.allCases) func randomModelTrains(precision: Precision) {
        let workers = Workers(count: 2)
        let base = BaseModel(random: Self.tiny, name: "tiny", on: workers)
        #expect(base.byteCount == Self.tiny.bf16ByteCount)
        #expect(base.head.values != base.embedding.values)
        let adapter = Adapter(
            groups: base.adaptableGroups, targets: base.linearPaths,
            config: AdapterConfig(r: 2, loraAlpha: 2))
        adapter.initialize(seed: 1)
        let decoder = Decoder(base: base, adapter: adapter, positions: 16, precision: precision)
        var batch = PackedBatch()
        let tokens = (0..<16).map { Int32($0 * 5) }
        batch.append(tokens: tokens, labels: tokens, key: 0)
        let arena = Arena(
            bytes: decoder.trainingArenaBytes(
                MicroBatchSize(tokens: 16, trained: 15, segments: 1), hasDropout: false))
        let clock = PhaseClock()
        let begin = ContinuousClock.now
        let loss = decoder.train(
            batch, factor: 1 / 15, dropout: nil, addingTo: ExactSums(adapter.values.layout), arena: arena, on: workers,
            clock: clock)
        clock.end(.update)
        let whole = begin.duration(to: .now)
        #expect(abs(loss.mean - 4.564) < 0.1, "\(loss.mean), log 96 is 4.564")
        let phases = PhaseClock.Phase.allCases.map { clock[$0] }
        #expect(phases.allSatisfy { $0 > .zero })
        #expect(phases.reduce(.zero, +) <= whole + .milliseconds(1))
    }

    /// Each product of a step runs in both precisions, and its operations are those of its shape.
    @Test(arguments: Precision.allCases) func productsOfAStep(precision: Precision) {
        let workers = Workers(count: 2)
        let base = BaseModel(random: Self.tiny, name: "tiny", on: workers)
        let targets = ["q_proj", "v_proj", "down_proj"].map {
            "model.layers.1.\($0 == "down_proj" ? "mlp" : "self_attn").\($0)"
        }
        let adapter = Adapter(groups: base.adaptableGroups, targets: targets, config: AdapterConfig(r: 2, loraAlpha: 2))
        let decoder = Decoder(base: base, adapter: adapter, positions: 16, precision: precision)
        let products = decoder.stepProducts(tokens: 24, on: workers)
        for product in products { product.run() }
        let shapes = products.map { "\($0.module) \($0.formula): \($0.rows) \($0.columns) \($0.inner)" }
        #expect(
            shapes == [
                "q k v x Wᵀ: 24 64 32", "q k v dy W: 24 32 64", "q k v x Aᵀ: 24 4 32", "q k v dy B: 24 2 48",
                "q k v dhᵀ x: 4 32 24", "q k v hᵀ dy: 2 48 24", "o x Wᵀ: 24 32 32", "o dy W: 24 32 32",
                "gate up x Wᵀ: 24 128 32", "gate up dy W: 24 32 128", "down x Wᵀ: 24 32 64", "down dy W: 24 64 32",
                "down x Aᵀ: 24 2 64", "down dy B: 24 2 32", "down dhᵀ x: 2 64 24", "down hᵀ dy: 2 32 24",
                "head h Eᵀ, p E: 24 96 32",
            ])
        for product in products {
            let once = 2 * Double(product.rows * product.columns * product.inner)
            #expect(product.operations == (product.module == "head" ? 2 : 1) * once)
        }
    }
}
