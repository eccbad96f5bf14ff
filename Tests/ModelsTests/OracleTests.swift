import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import WeightFiles

let tinyModels = ["tied", "untied-gqa-f16", "llama3-rope-bf16", "linear-rope-sharded", "biases", "mistral", "nf4"]

/// Against PyTorch, Transformers and PEFT in fp32, every element.
@Suite struct OracleTests {
    let workers = Workers(count: 2)

    /// max |Δ| of the logits of all examples, packed into one batch, from those of each example by itself.
    private func worstLogit(_ decoder: Decoder, _ oracle: Oracle, _ prefix: String, usesAdapter: Bool) -> Float {
        var batch = PackedBatch()
        let examples = oracle.examples
        var wanted: [Float] = []
        for (i, tokens) in examples.enumerated() {
            guard let tensor = oracle.tensors["\(prefix)logits.\(i)"] else { continue }
            batch.append(tokens: tokens, labels: tokens, key: UInt32(i))
            wanted += floats(tensor)
        }
        let rows = Array(0..<batch.tokens.count)
        let arena = arena { arena, workers in
            _ = decoder.logits(batch, rows: rows, usesAdapter: usesAdapter, arena: arena, on: workers)
        }
        let logits = decoder.logits(batch, rows: rows, usesAdapter: usesAdapter, arena: arena, on: workers)
        return withExtendedLifetime(arena) { worst(logits.elements, wanted) }
    }

    @Test(arguments: tinyModels) func logits(name: String) throws {
        let oracle = try Oracle(name)
        let base = try BaseModel(path: oracle.folder)
        let plain = Decoder(base: base, adapter: nil, positions: 64)
        #expect(worstLogit(plain, oracle, "", usesAdapter: false) <= 1e-5)
        for folder in ["adapter", "adapter-qv"] {
            let decoder = Decoder(base: base, adapter: try oracle.adapter(folder, for: base), positions: 64)
            #expect(worstLogit(decoder, oracle, folder + ".", usesAdapter: true) <= 1e-5, "\(folder)")
            #expect(worstLogit(decoder, oracle, "", usesAdapter: false) <= 1e-5, "\(folder) off")
        }
    }

    @Test(arguments: [
        ("tied-F32", "tied"), ("llama3-rope-bf16-BF16", "llama3-rope-bf16"), ("biases-BF16", "biases"),
    ])
    func logitsOfGGUF(file: String, model: String) throws {
        let oracle = try Oracle(model)
        let base = try BaseModel(path: Oracle.fixtures + "/gguf/" + file + ".gguf")
        let decoder = Decoder(base: base, adapter: try oracle.adapter("adapter", for: base), positions: 64)
        #expect(worstLogit(decoder, oracle, "", usesAdapter: false) <= 1e-5)
        #expect(worstLogit(decoder, oracle, "adapter.", usesAdapter: true) <= 1e-5)
    }

    @Test(arguments: tinyModels) func gradients(name: String) throws {
        let oracle = try Oracle(name)
        let base = try BaseModel(path: oracle.folder)
        let adapter = try oracle.adapter("adapter", for: base)
        let decoder = Decoder(base: base, adapter: adapter, positions: 64)
        let gradient = oracle.json["gradient"]!
        let batch = packed(gradient["rows"]!.array!)
        let trained = gradient["trained"]!.int!
        let sums = ExactSums(adapter.values.layout)
        let factor = 1 / Float(trained)
        let arena = arena { _ = decoder.train(batch, factor: factor, dropout: nil, addingTo: sums, arena: $0, on: $1) }
        let loss = decoder.train(batch, factor: factor, dropout: nil, addingTo: sums, arena: arena, on: workers)
        #expect(loss.tokens == trained)
        #expect(abs(loss.mean - gradient["loss"]!.double!) <= 1e-6 * gradient["loss"]!.double!)
        for (index, entry) in sums.layout.entries.enumerated() {
            let wanted = floats(oracle.tensors["gradient." + Adapter.peftPrefix + entry.name]!)
            let error = relativeError(sums.values(entry: index), wanted)
            #expect(error <= 1e-5, "\(entry.name): \(error)")
        }
    }
}

/// A batch of all rows of an oracle, `{"tokens": […], "labels": […]}` each.
func packed(_ rows: [JSON]) -> PackedBatch {
    var batch = PackedBatch()
    for (i, row) in rows.enumerated() {
        batch.append(
            tokens: row["tokens"]!.array!.map { Int32($0.int!) }, labels: row["labels"]!.array!.map { Int32($0.int!) },
            key: UInt32(i))
    }
    return batch
}
