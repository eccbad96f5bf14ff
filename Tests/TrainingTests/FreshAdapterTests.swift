import Foundation
import LoRA
import Models
import Tensors
import Testing
import Training

/// B starts as zero, so that training starts from the base's own output, to the bit.
@Suite struct FreshAdapterTests {
    @Test(arguments: ["tied", "untied-gqa-f16", "biases", "chat", "SmolLM2"]) func changesNoBit(name: String) throws {
        let path = name == "SmolLM2" ? Fixtures.smolLM2 : "\(Fixtures.models)/\(name)"
        let base = try BaseModel(path: path)
        let adapter = try emptyAdapter(base, rank: 8, alpha: 16)
        adapter.initialize(seed: 7)
        let tokens = (0..<19).map { Int32($0 * 37 % base.config.vocabulary) }
        let decoder = Decoder(base: base, adapter: adapter, positions: tokens.count)
        let bare = Decoder(base: base, adapter: nil, positions: tokens.count)
        let workers = Workers(count: 2)
        func bits(_ decoder: Decoder, _ usesAdapter: Bool) -> [UInt32] {
            logits(decoder, tokens, usesAdapter: usesAdapter, on: workers).map(\.bitPattern)
        }
        #expect(bits(decoder, true) == bits(bare, false))
        #expect(bits(decoder, false) == bits(bare, false))
        let last = adapter.values[adapter.modules.last!.b]
        last.fill(0.5)
        #expect(bits(decoder, true) != bits(bare, false), "the adapter is not used at all")
    }
}
