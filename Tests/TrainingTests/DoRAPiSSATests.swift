import Collectives
import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import WeightFiles

@testable import Training

/// DoRA and PiSSA against PEFT, whose adapters these begin with.
@Suite struct DoRAPiSSATests {
    /// An adapter of the fixtures on its base.
    private struct Variant {
        let oracle: JSON
        let tensors: TensorCollection
        let base: BaseModel
        let saved: PEFTFolder
        let adapter: Adapter
        var rows: [Row] { oracle["training"]!["rows"]!.array!.map(Row.init) }

        init(_ name: String) throws {
            let folder = "\(Fixtures.models)/variants/\(name)"
            oracle = try Fixtures.json(folder + "/oracle.json")
            tensors = try TensorCollection.safetensors(at: folder + "/oracle.safetensors")
            base = try BaseModel(path: "\(Fixtures.models)/\(oracle["model"]!.string!)")
            let saved = try PEFTFolder.read(folder + "/adapter")
            self.saved = saved
            let selected = try saved.config.select(from: base.linearPaths)
            adapter = Adapter(groups: base.adaptableGroups, targets: selected, config: saved.config)
            adapter.load { name, rows, columns in
                let tensor = saved[name]!
                #expect(tensor.rows == rows && tensor.columns == columns)
                return tensor.floats
            }
            adapter.loadInitial { name, _, _ in saved.initial.first { $0.name == name }!.floats }
        }

        func wanted(_ name: String) -> [Float] { floats(tensors[name]!) }

        /// The logits of row 6 are PEFT's.
        func expectLogits(_ adapter: Adapter, _ name: String) {
            let decoder = Decoder(base: base, adapter: adapter, positions: 64)
            let workers = Workers(count: 1)
            decoder.prepare(on: workers)
            let found = logits(decoder, rows[6].tokens, usesAdapter: true, on: workers)
            let worst = zip(found, wanted(name)).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 3e-5, "\(name): \(worst)")
        }
    }

    @Test(arguments: ["dora", "dora-biases", "pissa", "pissa-rslora", "pissa-dora"])
    func tenStepsAsInPEFT(_ name: String) throws {
        let variant = try Variant(name)
        let (oracle, adapter) = (variant.oracle["training"]!, variant.adapter)
        let entries = adapter.values.layout.entries
        variant.expectLogits(adapter, "logits")
        for (index, module) in adapter.modules.enumerated() where module.magnitude != nil {
            let norm = variant.wanted("norm.\(Adapter.peftPrefix)\(module.path).lora_magnitude_vector")
            let decoder = Decoder(base: variant.base, adapter: adapter, positions: 1)
            decoder.prepare(on: Workers(count: 2))
            #expect(relativeError(adapter.norms![index].elements, norm) <= 1e-6, "\(module.path)")
        }

        var loop = OracleLoop(
            oracle["hyperparameters"]!, rows: variant.rows, base: variant.base, adapter: adapter,
            cut: StepEngine.Cut(microBatchTokens: 40, microBatchesPerStep: 2))
        var worst = (gradient: 0.0, trained: 0.0)
        loop.inspect = { step, sums in
            guard step == 0 else { return }
            for (index, entry) in entries.enumerated() {
                let error = relativeError(
                    sums.values(entry: index), variant.wanted("gradient." + Adapter.peftPrefix + entry.name))
                #expect(error <= 1e-5, "gradient of \(entry.name): \(error)")
                worst.gradient = max(worst.gradient, error)
            }
        }
        for batch in oracle["batches"]!.array! { try loop.step(batch.array!.map { $0.int! }) }
        #expect(worstRelative(loop.losses, oracle["losses"]!.array!.map { $0.double! }) <= 1e-5)
        for (index, entry) in entries.enumerated() {
            let error = relativeError(
                adapter.values[index].elements, variant.wanted("trained." + Adapter.peftPrefix + entry.name))
            #expect(error <= 1e-4, "\(entry.name): \(error)")
            worst.trained = max(worst.trained, error)
        }
        #expect(worst.gradient > 0 && worst.trained > 0, "a comparison of a thing with itself")
        // Of PEFT's own values, as logits move further than these differ.
        adapter.load { name, _, _ in variant.wanted("trained." + name) }
        variant.expectLogits(adapter, "trained.logits")
        print("figures: \(name): gradients \(worst.gradient), adapter \(worst.trained)")

        // What is written reads as the same.
        let scratch = try Scratch()
        let folder = try PEFTFolder(
            config: variant.saved.config, tensors: adapter.namedTensors, initial: adapter.initialTensors)
        try folder.write(to: scratch.path + "/adapter")
        let read = try PEFTFolder.read(scratch.path + "/adapter")
        #expect(read.tensors == folder.tensors && read.initial == folder.initial)
        #expect(read.config.useDoRA == folder.config.useDoRA)
        #expect(read.config.initLoRAWeights == folder.config.initLoRAWeights)
        #expect(folder.initial.isEmpty == !name.hasPrefix("pissa"))
    }

    /// Saved as plain LoRA, an adapter of PiSSA is what PEFT makes of it, and the same function.
    @Test(arguments: ["pissa", "pissa-rslora", "pissa-dora"]) func plainLoRAOfTwiceTheRank(_ name: String) throws {
        let variant = try Variant(name)
        variant.adapter.load { name, _, _ in variant.wanted("trained." + name) }
        let plain = try PEFTFolder(
            config: variant.saved.config, tensors: variant.adapter.namedTensors,
            initial: variant.adapter.initialTensors
        ).plain()
        if let converted = variant.oracle["converted"] {
            #expect(plain.config.r == converted["r"]!.int!)
            #expect(plain.config.loraAlpha == converted["lora_alpha"]!.double!)
        }
        for module in plain.modules {
            #expect(plain.config.rank(of: module) == 2 * variant.saved.config.rank(of: module))
            #expect(
                abs(plain.config.scaling(of: module) / variant.saved.config.scaling(of: module) - 1) < 1e-15)
        }
        let adapter = Adapter(groups: variant.base.adaptableGroups, targets: plain.modules, config: plain.config)
        adapter.load { name, _, _ in plain[name]!.floats }
        #expect(adapter.initial == nil && plain.initial.isEmpty && plain.config.initLoRAWeights == .standard)
        variant.expectLogits(adapter, "trained.logits")
        if variant.oracle["converted"] != nil { variant.expectLogits(adapter, "converted.logits") }
        #expect(try plain.plain() == plain)
    }

    /// B A of the principal singular values is PEFT's; A and B are, but for the signs of singular vectors.
    @Test(arguments: ["pissa", "pissa-rslora"], [nil, 24]) func beginsAsInPEFT(_ name: String, _ iterations: Int?)
        throws
    {
        let variant = try Variant(name)
        var worst = 0.0
        for (index, module) in variant.adapter.modules.enumerated() {
            let weight = variant.base.weight(of: module.path)!
            let random = CounterRandom(seed: 3, purpose: RandomPurpose.subspace(module: index))
            let found = try principalFactors(
                of: weight, rank: module.rank, scale: Double(module.scale),
                method: iterations.map { .iterated($0, random) } ?? .exact)
            func product(_ a: [Float], _ b: [Float]) -> [Float] {
                (0..<weight.rows * weight.columns).map { place in
                    let (row, column) = (place / weight.columns, place % weight.columns)
                    return (0..<module.rank).reduce(0) {
                        $0 + b[row * module.rank + $1] * a[$1 * weight.columns + column]
                    }
                }
            }
            let (a, b) = (variant.adapter.values[module.a].elements, variant.adapter.values[module.b].elements)
            let (own, wanted) = (product(found.a, found.b), product(a, b))
            guard iterations != nil else {
                worst = max(worst, relativeError(own, wanted))
                continue
            }
            // Singular values that are near one another take many iterations to part; what is left of W is as small before.
            func left(_ product: [Float]) -> Double {
                norm(zip(weight.values, product).map { $0 - module.scale * $1 })
            }
            worst = max(worst, abs(left(own) / left(wanted) - 1))
        }
        #expect(worst <= (iterations == nil ? 1e-4 : 0.01), "\(worst)")
        print("figures: \(name), \(iterations.map { "\($0) iterations: what is left" } ?? "exact: B A") \(worst)")
    }

    /// DoRA begins with magnitudes that are the norms, and PiSSA with a product that is taken off: the base's own output.
    @Test(arguments: [(true, false), (false, true), (true, true)]) func freshAdapterChangesNothing(
        _ usesDoRA: Bool, _ usesPiSSA: Bool
    ) throws {
        for model in ["biases", "tied", "nf4"] where model != "nf4" || !usesPiSSA {
            let base = try BaseModel(path: "\(Fixtures.models)/\(model)")
            var config = RunConfig()
            config.model.path = base.path
            (config.lora.r, config.lora.useDoRA) = (4, usesDoRA)
            if usesPiSSA { config.lora.initLoRAWeights = .pissa(iterations: nil) }
            var peft = AdapterConfig(r: 4, loraAlpha: 8)
            (peft.useDoRA, peft.initLoRAWeights) = (usesDoRA, config.lora.initLoRAWeights)
            let adapter = Adapter(
                groups: base.adaptableGroups, targets: base.linearPaths, config: peft)
            adapter.initialize(peft.initLoRAWeights, seed: 7)
            try AdapterStart(config, base, adapter).complete(
                on: Workers(count: 2), StatePlacement(TrainingConfig(), .alone()), .alone())
            let tokens = (0..<19).map { Int32($0 * 37 % base.config.vocabulary) }
            let decoder = Decoder(base: base, adapter: adapter, positions: tokens.count)
            let workers = Workers(count: 2)
            decoder.prepare(on: workers)
            let bare = logits(decoder, tokens, usesAdapter: false, on: workers)
            let fresh = logits(decoder, tokens, usesAdapter: true, on: workers)
            #expect(zip(fresh, bare).allSatisfy { abs($0 - $1) < 2e-5 }, "\(model)")
            #expect(!usesPiSSA || norm(adapter.values[adapter.modules[0].b].elements) > 0.1)
            if let magnitude = adapter.modules[0].magnitude { adapter.values[magnitude].fill(0.1) }
            if usesPiSSA { adapter.values[adapter.modules[0].b].fill(0) }
            let changed = logits(decoder, tokens, usesAdapter: true, on: workers)
            #expect(zip(changed, bare).contains { abs($0 - $1) > 1e-3 }, "\(model): the adapter is not used")
        }
    }
}
