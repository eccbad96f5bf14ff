import Foundation
import LoRA
import Models
import Tensors
import Testing

/// Answers with a cache of keys and values are those of running the whole text again for every token.
@Suite struct GeneratorTests {
    private let workers = Workers(count: 2)
    private let prompts: [[Int32]] = [[1, 20, 33, 7], [5], [40, 41, 42, 43, 44, 45, 46, 47, 48, 3, 9], [2, 2]]

    private func adapted(_ name: String) throws -> (BaseModel, Adapter) {
        let base = try BaseModel(path: "\(Fixtures.models)/\(name)")
        let adapter = try emptyAdapter(base, rank: 3, alpha: 6)
        adapter.initialize(seed: 3)
        let random = CounterRandom(seed: 4, purpose: 0)
        for module in adapter.modules {
            let b = adapter.values[module.b]
            b.copy(from: (0..<b.rows * b.columns).map { random.uniform(module.b << 20 + $0) - 0.5 })
        }
        return (base, adapter)
    }

    @Test(arguments: ["chat", "biases", "llama3-rope-bf16", "mistral"]) func greedyIsArgmax(name: String) throws {
        let (base, adapter) = try adapted(name)
        for adapter in [nil, adapter] {
            let generator = Generator(base: base, adapter: adapter, workers: workers, stopTokens: [])
            var sampling = Sampling()
            sampling.maxNewTokens = 24
            let answers = generator.answers(prompts, sampling: sampling)
            let decoder = Decoder(base: base, adapter: adapter, positions: 64)
            var seen = Set<Int32>()
            for (prompt, answer) in zip(prompts, answers) {
                #expect(answer.tokens.count == 24 && !answer.isComplete)
                var text = prompt
                for token in answer.tokens {
                    let all = logits(decoder, text, usesAdapter: adapter != nil, on: workers)
                    let last = Array(all.suffix(base.config.vocabulary))
                    let best = last.indices.max { last[$0] < last[$1] }!
                    // Two orders of adding may tell equally likely tokens apart either way.
                    #expect(Int(token) == best || last[best] - last[Int(token)] <= 1e-5, "\(name) after \(text)")
                    text.append(token)
                    seen.insert(token)
                }
            }
            #expect(seen.count > 2, "\(name): answers of one token again and again show nothing: \(seen)")
        }
    }

    @Test(arguments: [0, 0.9]) func severalPromptsAreEachAlone(temperature: Double) throws {
        let (base, adapter) = try adapted("chat")
        var sampling = Sampling()
        sampling.maxNewTokens = 16
        sampling.temperature = temperature
        let stop = Set((0..<20).map { Int32($0 * 7) })
        let generator = Generator(base: base, adapter: adapter, workers: workers, stopTokens: stop)
        let together = generator.answers(prompts, sampling: sampling)
        #expect(together.contains { $0.isComplete } && Set(together.map(\.tokens.count)).count > 1)
        #expect(together.allSatisfy { stop.isDisjoint(with: $0.tokens) })
        // Draws depend on a prompt's number: each is answered alone in its own place, beside shorter neighbours.
        for index in prompts.indices {
            var others = [[Int32]](repeating: [11], count: prompts.count)
            others[index] = prompts[index]
            let among = generator.answers(others, sampling: sampling)[index]
            #expect(among.tokens == together[index].tokens && among.isComplete == together[index].isComplete)
        }
        guard temperature == 0 else { return }
        for (prompt, answer) in zip(prompts, together) {
            let alone = generator.answers([prompt], sampling: sampling)[0]
            #expect(alone.tokens == answer.tokens && alone.isComplete == answer.isComplete)
        }
    }
}
