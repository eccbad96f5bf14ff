import Layers
import LoRA
import Tensors
import Testing

@testable import Models

/// The operations of a step against a count by hand.
@Suite struct FLOPsTests {
    /// Elements of a layer: q 8 · 8, k and v 4 · 8, o 8 · 8, gate, up and down 12 · 8: 480 in all, q, k and v 128 of them.
    private static let config = DecoderConfig(
        vocabulary: 16, hidden: 8, intermediate: 12, layers: 2, heads: 2, keyHeads: 1, headSize: 4, normEpsilon: 1e-5,
        ropeTheta: 10_000, ropeScaling: .none, tiedEmbeddings: true, attentionBias: false, mlpBias: false,
        maxPositions: 16, endTokens: [])

    /// A step on examples of 3 and 2 tokens (5 tokens; 6 + 3 pairs that see each other), of which 3 are trained, with r = 2.
    private func flops(_ targets: [String]?) -> StepFLOPs {
        let base = BaseModel(random: Self.config, name: "tiny", on: Workers(count: 1))
        let all = base.linearPaths
        let adapter = Adapter(
            groups: base.adaptableGroups, targets: targets ?? all, config: AdapterConfig(r: 2, loraAlpha: 2))
        return Decoder(base: base, adapter: adapter, positions: 3).trainingFLOPs(exampleLengths: [3, 2], trained: 3)
    }

    @Test func everythingAdapted() {
        let flops = flops(nil)
        // 2 · 5 tokens: both layers forward, and backward all but the lowest q, k and v.
        #expect(flops.linear == 10 * (480 + 480 + 480 + (480 - 128)))
        // 2 · 5 · r times outputs + inputs: q 16, k and v 12, o 16, gate, up and down 20; three times, but for the inputs of the
        // lowest q, k and v, which need no gradient.
        let ofLayer = 16 + 12 + 12 + 16 + 3 * 20
        #expect(flops.lora == Double(20 * (2 * 3 * ofLayer - 3 * 8)))
        // 2 · 9 pairs · 2 heads of 4: two products forward and four backward in each layer.
        #expect(flops.attention == 144 * 12)
        // Two products of 16 · 8 at 3 tokens.
        #expect(flops.head == 2 * 2 * 3 * 128)
        #expect(flops.total == flops.linear + flops.lora + flops.attention + flops.head)
    }

    @Test func oneMapOfTheUpperLayerAdapted() {
        let flops = flops(["model.layers.1.self_attn.q_proj"])
        #expect(flops.linear == 10 * (480 + 480 + (480 - 128)))
        #expect(flops.lora == 20 * (3 * 8 + 2 * 8))
        #expect(flops.attention == 144 * (2 + 6))
        #expect(flops.head == 2 * 2 * 3 * 128)
    }

    /// With a trained embedding every map needs the gradient of its input, and a trained head is a third product.
    @Test func endsTrained() {
        let base = BaseModel(random: Self.config, name: "tiny", on: Workers(count: 1))
        var config = AdapterConfig(r: 2, loraAlpha: 2)
        config.modulesToSave = [.embedding, .head]
        let adapter = Adapter(
            groups: base.adaptableGroups, targets: ["model.layers.1.self_attn.q_proj"], config: config,
            vocabulary: base.vocabularyShape)
        let flops = Decoder(base: base, adapter: adapter, positions: 3)
            .trainingFLOPs(exampleLengths: [3, 2], trained: 3)
        #expect(flops.linear == 10 * 4 * 480)
        #expect(flops.lora == 20 * (3 * 8 + 3 * 8))
        #expect(flops.attention == 144 * 12)
        #expect(flops.head == 2 * 3 * 3 * 128)
    }

    @Test func nothingAdapted() {
        #expect(flops([]) == StepFLOPs())
    }

    @Test func scaling() {
        let flops = StepFLOPs(linear: 8, lora: 6, attention: 4, head: 2).scaled(by: 0.5)
        #expect(flops == StepFLOPs(linear: 4, lora: 3, attention: 2, head: 1))
        #expect(flops.total == 10)
    }
}
