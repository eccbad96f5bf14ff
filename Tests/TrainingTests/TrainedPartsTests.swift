import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training
import WeightFiles

/// Biases, modules that are trained whole and smoothed labels, against PEFT and Transformers
/// (ModelsTests/Fixtures/generate_parts.py).
///
/// With LORA_DIST_DUMP set to a folder, what LoRATests/Fixtures/check_in_peft.py compares with PEFT stays there: the adapters after
/// ten steps, in each number format, as parts/NAME-FORMAT/adapter with tokens.json and logits.safetensors beside.
@Suite struct TrainedPartsTests {
    static let names = ["bias-all", "bias-lora-only", "embedding", "head", "ends-tied", "ends-smoothed", "smoothed"]

    private struct Part {
        let json: JSON
        let tensors: TensorCollection
        let base: BaseModel
        let saved: PEFTFolder
        let adapter: Adapter
        let rows: [Row]
        var smoothing: Double { json["training"]!["hyperparameters"]!["label_smoothing_factor"]!.double! }

        init(_ name: String) throws {
            let folder = "\(Fixtures.models)/parts/\(name)"
            json = try Fixtures.json(folder + "/oracle.json")
            tensors = try TensorCollection.safetensors(at: folder + "/oracle.safetensors")
            base = try BaseModel(path: "\(Fixtures.models)/\(json["model"]!.string!)")
            saved = try PEFTFolder.read(folder + "/adapter")
            adapter = Part.empty(base, saved)
            let saved = saved
            adapter.load { name, rows, columns in
                let tensor = saved[name]!
                precondition(tensor.rows == rows && tensor.columns == columns)
                return tensor.floats
            }
            rows = json["training"]!["rows"]!.array!.map(Row.init)
        }

        static func empty(_ base: BaseModel, _ saved: PEFTFolder) -> Adapter {
            Adapter(
                groups: base.adaptableGroups, targets: saved.modules, config: saved.config,
                vocabulary: base.vocabularyShape)
        }

        func name(_ index: Int) -> String { Adapter.peftPrefix + adapter.values.layout.entries[index].name }
    }

    /// The same tensors under the same names; biases, embedding and head begin with the base's values.
    @Test(arguments: names) func tensorsOfPEFT(_ name: String) throws {
        let part = try Part(name)
        let names = part.adapter.values.layout.entries.indices.map(part.name)
        #expect(names.sorted() == part.saved.tensors.map(\.name).sorted())
        let fresh = Part.empty(part.base, part.saved)
        fresh.takeValues(of: part.base)
        var compared = 0
        for (index, entry) in fresh.values.layout.entries.enumerated() where !entry.name.contains("lora_") {
            #expect(fresh.values[index].elements == part.adapter.values[index].elements, "\(entry.name)")
            compared += 1
        }
        #expect((compared > 0) == (name != "smoothed"))
        #expect(part.adapter.namedTensors.map(\.shape).contains { $0.count == 1 } == name.hasPrefix("bias"))

        // What is written reads as the same, byte for byte as PEFT writes the tensors.
        let scratch = try Scratch()
        try PEFTFolder(config: part.saved.config, tensors: part.adapter.namedTensors).write(to: scratch.path)
        let again = try PEFTFolder.read(scratch.path)
        #expect(again.tensors == part.saved.tensors)
        #expect(again.config.bias == part.saved.config.bias)
        #expect(again.config.modulesToSave == part.saved.config.modulesToSave)
        let file = "/\(PEFTFolder.weightsName)"
        let bytes = try FileSystem.read("\(Fixtures.models)/parts/\(name)/adapter" + file)
        #expect(try FileSystem.read(scratch.path + file) == bytes)
    }

    @Test(arguments: names) func logitsAndGradientsOfPEFT(_ name: String) throws {
        let part = try Part(name)
        let workers = Workers(count: 2)
        let decoder = Decoder(
            base: part.base, adapter: part.adapter, positions: 64, labelSmoothing: part.smoothing)
        let found = logits(decoder, part.rows[6].tokens, usesAdapter: true, on: workers)
        let wanted = floats(part.tensors["logits"]!)
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= 1e-5 })

        var batch = PackedBatch()
        for (key, row) in part.rows.enumerated() {
            batch.append(tokens: row.tokens, labels: row.labels, key: UInt32(key))
        }
        let trained = part.json["gradient"]!["trained"]!.int!
        for checkpointing in Decoder.Checkpointing.allCases {
            let decoder = Decoder(
                base: part.base, adapter: part.adapter, positions: 64, checkpointing: checkpointing,
                labelSmoothing: part.smoothing)
            let sums = ExactSums(part.adapter.values.layout)
            let arena = Arena(bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: false))
            let loss = decoder.train(
                batch, factor: 1 / Float(trained), dropout: nil, addingTo: sums, arena: arena, on: workers)
            let expected = part.json["gradient"]!["loss"]!.double!
            #expect(loss.tokens == trained && abs(loss.mean - expected) <= 1e-6 * expected)
            for index in sums.layout.entries.indices {
                let wanted = floats(part.tensors["gradient." + part.name(index)]!)
                let error = relativeError(sums.values(entry: index), wanted)
                #expect(error <= 1e-5, "\(part.name(index)): \(error)")
            }
            // An evaluation is plain cross-entropy unless it is asked for the loss of training.
            let plain = decoder.evaluate(batch, arena: arena, on: workers)
            let unsmoothed = Decoder(base: part.base, adapter: part.adapter, positions: 64)
            #expect(plain == unsmoothed.evaluate(batch, arena: arena, on: workers))
            #expect((abs(plain.mean - expected) < 1e-5) == (part.smoothing == 0), "\(plain.mean) and \(expected)")
            let smoothed = decoder.evaluate(batch, smoothsLabels: true, arena: arena, on: workers)
            #expect(abs(smoothed.mean - expected) <= 1e-6 * expected)
        }
    }

    @Test(arguments: names) func tenStepsAsInPEFT(_ name: String) throws {
        let part = try Part(name)
        let training = part.json["training"]!
        var loop = OracleLoop(
            training["hyperparameters"]!, rows: part.rows, base: part.base, adapter: part.adapter,
            cut: StepEngine.Cut(microBatchTokens: 40, microBatchesPerStep: 2))
        for batch in training["batches"]!.array! { try loop.step(batch.array!.map { $0.int! }) }
        #expect(worstRelative(loop.losses, training["losses"]!.array!.map { $0.double! }) <= 1e-5)
        #expect(worstRelative(loop.norms, training["gradient_norms"]!.array!.map { $0.double! }) <= 1e-4)
        var worst = 0.0
        for index in part.adapter.values.layout.entries.indices {
            let wanted = floats(part.tensors["trained." + part.name(index)]!)
            let error = relativeError(part.adapter.values[index].elements, wanted)
            #expect(error <= 1e-4, "\(part.name(index)): \(error)")
            worst = max(worst, error)
        }
        #expect(worst > 0, "a comparison of a thing with itself")
        print("figures: \(name): \(worst)")
        for format in NumberFormat.allCases { try dump(part, name, format) }
    }

    /// Writes a trained adapter, reads it back, and leaves what PEFT has to match.
    private func dump(_ part: Part, _ name: String, _ format: NumberFormat) throws {
        guard let dump = ProcessInfo.processInfo.environment["LORA_DIST_DUMP"] else { return }
        let run = "\(dump)/parts/\(name)-\(format.rawValue)"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try PEFTFolder(config: part.saved.config, tensors: part.adapter.namedTensors)
            .write(to: run + "/adapter", as: format)
        let read = try PEFTFolder.read(run + "/adapter")
        let adapter = Part.empty(part.base, read)
        adapter.load { name, _, _ in read[name]!.floats }
        let decoder = Decoder(base: part.base, adapter: adapter, positions: 64)
        let examples = [3, 6].map { part.rows[$0].tokens }
        let tensors = examples.enumerated().map { index, tokens in
            let floats = logits(decoder, tokens, usesAdapter: true, on: Workers(count: 1))
            return ("logits.\(index)", [tokens.count, part.base.config.vocabulary], floats)
        }
        try SafetensorsWriter().write(to: run + "/logits.safetensors", tensors: tensors)
        let ids = JSON.array(examples.map { .array($0.map { .integer(Int64($0)) }) })
        try JSON.object(JSONObject([("examples", ids)])).text()
            .write(toFile: run + "/tokens.json", atomically: true, encoding: .utf8)
    }

    /// With the adapter off, nothing of what was trained is left.
    @Test(arguments: names) func theBaseStaysAsItIs(_ name: String) throws {
        let part = try Part(name)
        let workers = Workers(count: 1)
        for index in part.adapter.values.layout.entries.indices {
            let values = part.adapter.values[index]
            values.copy(from: values.elements.map { $0 + 0.5 })
        }
        let tokens = part.rows[6].tokens
        let decoder = Decoder(base: part.base, adapter: part.adapter, positions: 64)
        let plain = Decoder(base: part.base, adapter: nil, positions: 64)
        let off = logits(decoder, tokens, usesAdapter: false, on: workers)
        #expect(off == logits(plain, tokens, usesAdapter: false, on: workers))
        #expect(off != logits(decoder, tokens, usesAdapter: true, on: workers))
    }

    /// Where examples share a prefix, the same gradients up to rounding.
    @Test(arguments: ["bias-all", "embedding", "ends-smoothed"]) func sharedPrefixes(_ name: String) throws {
        let part = try Part(name)
        let decoder = Decoder(
            base: part.base, adapter: part.adapter, positions: 64, labelSmoothing: part.smoothing)
        let prefix: [Int32] = [5, 9, 5, 30]
        let members = part.rows.prefix(4).enumerated().map { key, row in
            PackedBatch.Member(
                tokens: prefix + row.tokens, labels: prefix + row.labels, key: UInt32(key))
        }
        var (shared, plain) = (PackedBatch(), PackedBatch())
        shared.append(Array(members), sharing: prefix.count)
        for member in members { plain.append(member) }
        let sums = [shared, plain].map { batch in
            let sums = ExactSums(part.adapter.values.layout)
            let arena = Arena(bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: false))
            _ = decoder.train(
                batch, factor: 1 / 40, dropout: nil, addingTo: sums, arena: arena, on: Workers(count: 1))
            return sums
        }
        for index in sums[0].layout.entries.indices {
            let error = relativeError(sums[0].values(entry: index), sums[1].values(entry: index))
            #expect(error <= 1e-5, "\(part.name(index)): \(error)")
        }
    }
}
