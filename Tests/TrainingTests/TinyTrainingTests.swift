import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training
import WeightFiles

/// Ten AdamW steps with warm-up, clipping and weight decay against a PEFT loop in fp32.
@Suite struct TinyTrainingTests {
    @Test(arguments: ["tied", "llama3-rope-bf16", "biases", "nf4"]) func adapterAfterTenSteps(name: String) throws {
        let folder = "\(Fixtures.models)/\(name)"
        let oracle = try Fixtures.json(folder + "/oracle.json")["training"]!
        let tensors = try TensorCollection.safetensors(at: folder + "/oracle.safetensors")
        let base = try BaseModel(path: folder)
        let adapter = try emptyAdapter(base, rank: 4, alpha: 8)
        adapter.load { name, rows, columns in
            tensors["initial." + name].map(floats) ?? [Float](repeating: 0, count: rows * columns)
        }
        var loop = OracleLoop(
            oracle["hyperparameters"]!, rows: oracle["rows"]!.array!.map(Row.init), base: base, adapter: adapter,
            cut: StepEngine.Cut(microBatchTokens: 40, microBatchesPerStep: 2))
        for batch in oracle["batches"]!.array! { try loop.step(batch.array!.map { $0.int! }) }

        func wanted(_ key: String) -> [Double] { oracle[key]!.array!.map { $0.double! } }
        #expect(loop.losses.count == 10)
        let (losses, norms) = (wanted("losses"), wanted("gradient_norms"))
        #expect(norms.min()! < 0.9 && norms.max()! > 0.9, "some steps must be clipped and some not")
        #expect(worstRelative(loop.losses, losses) <= 1e-5, "\(loop.losses) against \(losses)")
        #expect(worstRelative(loop.norms, norms) <= 1e-4, "\(loop.norms) against \(norms)")
        #expect(zip(loop.rates, wanted("learning_rates")).allSatisfy { abs($0 - $1) <= 1e-15 }, "\(loop.rates)")
        var worst = 0.0
        for (index, entry) in adapter.values.layout.entries.enumerated() {
            let wanted = floats(tensors["trained." + Adapter.peftPrefix + entry.name]!)
            let error = relativeError(adapter.values[index].elements, wanted)
            #expect(error <= 1e-4, "\(entry.name): \(error)")
            worst = max(worst, error)
        }
        #expect(worst > 0, "a comparison of a thing with itself")
        print(
            "figures: \(name): adapter \(worst), losses \(worstRelative(loop.losses, losses)), gradient norms "
                + "\(worstRelative(loop.norms, norms))")
    }
}
