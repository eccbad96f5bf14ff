import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training
import WeightFiles

/// The checked model against Transformers and PEFT in fp32; launch/model.sh fetches it.
@Suite(.serialized) struct SmolLM2Tests {
    @Test func logitsOfSixtyFourTokens() throws {
        let oracle = try Fixtures.json(Fixtures.own + "/smollm2-logits.json")
        let tensors = try TensorCollection.safetensors(at: Fixtures.own + "/smollm2-logits.safetensors")
        let base = try BaseModel(path: Fixtures.smolLM2)
        let tokens = oracle["tokens"]!.array!.map { Int32($0.int!) }
        #expect(tokens.count == 64)
        let decoder = Decoder(base: base, adapter: nil, positions: 64)
        let found = logits(decoder, tokens, usesAdapter: false, on: Workers(count: 2))
        let vocabulary = base.config.vocabulary
        func row(_ position: Int) -> ArraySlice<Float> { found[position * vocabulary..<(position + 1) * vocabulary] }

        let (stride, grid) = (oracle["stride"]!.int!, floats(tensors["grid"]!))
        let columns = grid.count / 64
        var worst: Float = 0
        for position in 0..<64 {
            for column in 0..<columns {
                let value = row(position)[position * vocabulary + position + stride * column]
                worst = max(worst, abs(value - grid[position * columns + column]))
            }
        }
        let full = floats(tensors["full"]!)
        for (index, position) in oracle["full_positions"]!.array!.enumerated() {
            for (value, wanted) in zip(row(position.int!), full[index * vocabulary..<(index + 1) * vocabulary]) {
                worst = max(worst, abs(value - wanted))
            }
        }
        let largest = oracle["largest"]!.double!
        #expect(Double(worst) <= 1e-4 * largest, "\(worst) of \(largest)")
        let top = (0..<64).map { position in
            row(position).indices.max { found[$0] < found[$1] }! - position * vocabulary
        }
        #expect(top == oracle["top1"]!.array!.map { $0.int! })
        #expect(abs(Double(found.map(\.magnitude).max()!) - largest) <= 1e-4 * largest)
        print("figures: SmolLM2 logits: max |Δ| \(worst) of \(largest): \(Double(worst) / largest)")
    }

    @Test func firstTenSteps() throws {
        let oracle = try Fixtures.json(Fixtures.own + "/smollm2-losses.json")
        let hyper = oracle["hyperparameters"]!
        let base = try BaseModel(path: Fixtures.smolLM2)
        let adapter = try emptyAdapter(base, rank: hyper["r"]!.int!, alpha: hyper["lora_alpha"]!.double!)
        setInitialA(adapter)
        var loop = OracleLoop(
            hyper, rows: try Fixtures.smolLM2Rows(), base: base, adapter: adapter,
            cut: StepEngine.Cut(microBatchTokens: 256, microBatchesPerStep: 2))
        var worstGradients = ["lora_A": 0.0, "lora_B": 0.0]
        loop.inspect = { step, sums in
            guard step == 1 else { return }
            for (index, entry) in sums.layout.entries.enumerated() {
                let wanted = oracle["tensor_gradient_norms"]![Adapter.peftPrefix + entry.name]!.double!
                let error = abs(norm(sums.values(entry: index)) - wanted) / wanted
                // AdamW's first step moves every element of B by the learning rate, whichever sign rounding gave to a
                // gradient that is nearly zero. A's gradient in the second step is made of these elements.
                let (matrix, limit) = entry.name.contains("lora_A") ? ("lora_A", 1e-2) : ("lora_B", 1e-4)
                worstGradients[matrix] = max(worstGradients[matrix]!, error)
                #expect(error <= limit, "gradient of \(entry.name): \(error)")
            }
        }
        let perStep = hyper["rows_per_step"]!.int!
        for step in 0..<hyper["steps"]!.int! { try loop.step(Array(step * perStep..<(step + 1) * perStep)) }

        func wanted(_ key: String) -> [Double] { oracle[key]!.array!.map { $0.double! } }
        let differences = zip(loop.losses, wanted("losses")).map { abs($0 - $1) }
        #expect(differences.count == 10 && differences.max()! <= 1e-3, "\(loop.losses)")
        #expect(loop.trained == wanted("trained").map { Int($0) })
        #expect(worstRelative(loop.norms, wanted("gradient_norms")) <= 1e-3, "\(loop.norms)")
        #expect(zip(loop.rates, wanted("learning_rates")).allSatisfy { abs($0 - $1) <= 1e-15 }, "\(loop.rates)")
        var worst = 0.0
        for (index, entry) in adapter.values.layout.entries.enumerated() {
            let wanted = oracle["tensor_norms"]![Adapter.peftPrefix + entry.name]!.double!
            let error = abs(norm(adapter.values[index].elements) - wanted) / wanted
            worst = max(worst, error)
            #expect(error <= 1e-3, "\(entry.name): \(error)")
        }
        print(
            "figures: SmolLM2 steps: losses \(differences.max()!), gradient norms "
                + "\(worstRelative(loop.norms, wanted("gradient_norms"))), of tensors \(worstGradients), "
                + "norms of tensors after ten steps \(worst)")
    }

    @Test func loadsAtOnce() throws {
        _ = try BaseModel(path: Fixtures.smolLM2)
        let seconds = try (0..<3).map { _ in
            try ContinuousClock().measure { _ = try BaseModel(path: Fixtures.smolLM2) } / .seconds(1)
        }.sorted()
        #expect(seconds[1] < 0.1 * slowness, "\(seconds)")
        print("figures: SmolLM2 loads in \(seconds) s")
    }

    /// A as Fixtures/generate.py makes it.
    private func setInitialA(_ adapter: Adapter) {
        for module in adapter.modules {
            let parts = module.path.split(separator: ".")
            let names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
            let number = 7 * UInt64(parts[2])! + UInt64(names.firstIndex(of: String(parts.last!))!)
            let a = adapter.values[module.a]
            let scale = Double(a.columns).squareRoot()
            a.copy(
                from: (0..<UInt64(a.rows * a.columns)).map { element in
                    let u = Double(splitMix64(number << 40 &+ element) >> 11) * 0x1p-53
                    return Float((2 * u - 1) / scale)
                })
        }
    }

    private func splitMix64(_ value: UInt64) -> UInt64 {
        var x = value &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }
}

/// How much longer code may take without optimisation.
#if DEBUG
    let slowness = 30.0
#else
    let slowness = 1.0
#endif
