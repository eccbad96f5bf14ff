import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training
import WeightFiles

/// What PEFT's options make of an adapter: which modules, of which rank and scale, and how they are trained.
@Suite struct VariantTests {
    @Test(arguments: ["patterns", "layers", "excluded", "loraplus"]) func tenStepsAsInPEFT(_ name: String) throws {
        let folder = "\(Fixtures.models)/variants/\(name)"
        let oracle = try Fixtures.json(folder + "/oracle.json")["training"]!
        let tensors = try TensorCollection.safetensors(at: folder + "/oracle.safetensors")
        let base = try BaseModel(path: "\(Fixtures.models)/tied")
        let saved = try PEFTFolder.read(folder + "/adapter")

        // The same modules, as PEFT selects them.
        let selected = try saved.config.select(from: base.linearPaths)
        #expect(Set(selected) == Set(saved.modules) && selected.count == saved.modules.count)
        let adapter = Adapter(groups: base.adaptableGroups, targets: selected, config: saved.config)
        adapter.load { name, rows, columns in
            let tensor = saved[name]!
            #expect(tensor.rows == rows && tensor.columns == columns)
            return tensor.floats
        }
        let rows = oracle["rows"]!.array!.map(Row.init)
        let decoder = Decoder(base: base, adapter: adapter, positions: 64)
        let found = logits(decoder, rows[6].tokens, usesAdapter: true, on: Workers(count: 1))
        let wanted = floats(tensors["logits"]!)
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= 1e-5 })

        var loop = OracleLoop(
            oracle["hyperparameters"]!, rows: rows, base: base, adapter: adapter,
            cut: StepEngine.Cut(microBatchTokens: 40, microBatchesPerStep: 2))
        for batch in oracle["batches"]!.array! { try loop.step(batch.array!.map { $0.int! }) }
        #expect(worstRelative(loop.losses, oracle["losses"]!.array!.map { $0.double! }) <= 1e-5)
        for (index, entry) in adapter.values.layout.entries.enumerated() {
            let wanted = floats(tensors["trained." + Adapter.peftPrefix + entry.name]!)
            let error = relativeError(adapter.values[index].elements, wanted)
            #expect(error <= 1e-4, "\(entry.name): \(error)")
        }

        // What is written reads as the same.
        let written = try AdapterConfig(json: Array(saved.config.json(modules: saved.modules).utf8), file: "written")
        #expect(written.rankPattern == saved.config.rankPattern && written.alphaPattern == saved.config.alphaPattern)
        #expect(written.layersToTransform == saved.config.layersToTransform)
        #expect(written.excludeModules == saved.config.excludeModules)
    }

    /// How A and B begin: the spread of PEFT's initial values.
    @Test func beginnings() throws {
        let base = try BaseModel(path: "\(Fixtures.models)/untied-gqa-f16")
        for (kind, isZero) in [
            (AdapterConfig.InitLoRAWeights.standard, true), (.gaussian, true), (.random, false),
        ] {
            let adapter = try emptyAdapter(base, rank: 8, alpha: 8)
            adapter.initialize(kind, seed: 7)
            let again = try emptyAdapter(base, rank: 8, alpha: 8)
            again.initialize(kind, seed: 7)
            #expect(adapter.values.bytes == again.values.bytes)
            var squares = (a: 0.0, b: 0.0)
            var counts = (a: 0.0, b: 0.0)
            for module in adapter.modules {
                let (a, b) = (adapter.values[module.a], adapter.values[module.b])
                // Of U(±1/√n): 1/3n.
                let variance = kind == .gaussian ? 1.0 / 64 : 1 / (3 * Double(a.columns))
                squares.a += a.elements.reduce(0) { $0 + Double($1) * Double($1) } / variance
                squares.b += b.elements.reduce(0) { $0 + Double($1) * Double($1) } * 3 * Double(b.columns)
                counts.a += Double(a.elements.count)
                counts.b += Double(b.elements.count)
                if kind != .gaussian {
                    let bound = 1 / Float(a.columns).squareRoot()
                    #expect(a.elements.allSatisfy { abs($0) <= bound })
                }
            }
            #expect(abs(squares.a / counts.a - 1) < 0.05, "\(kind): \(squares.a / counts.a)")
            #expect(isZero ? squares.b == 0 : abs(squares.b / counts.b - 1) < 0.05, "\(kind): \(squares.b / counts.b)")
        }
    }

    /// What PEFT refuses is refused.
    @Test func whatDoesNotGoTogether() throws {
        let modules = ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]
        var config = AdapterConfig(r: 4, loraAlpha: 8, targetModules: .allLinear)
        config.layersToTransform = [1]
        func refusedKey() -> String? {
            #expect(throws: ModuleSettingError.self) { try config.select(from: modules) }?.key
        }
        #expect(refusedKey() == "layers_to_transform")
        config.targetModules = .list(["q_proj"])
        #expect(try config.select(from: modules) == [modules[1]])
        config.excludeModules = .list(["q_proj"])
        #expect(refusedKey() == "exclude_modules")
        config.excludeModules = .regex("(")
        let error = try #require(throws: ModuleSettingError.self) { try config.select(from: modules) }
        #expect(error.description.hasPrefix("exclude_modules: the regular expression \"(\" cannot be read: "))
        config.layersToTransform = [7]
        #expect(refusedKey() == "layers_to_transform")
        #expect(throws: UnreadablePattern.self) { try ModulePatterns<Int>([("(", 3)]) }
    }
}
