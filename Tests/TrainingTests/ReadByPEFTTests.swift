import Collectives
import Foundation
import JSONText
import LoRA
import Models
import Tensors
import Testing
import Training
import WeightFiles

/// Adapters of whole runs, written, read back and used.
///
/// With LORA_DIST_DUMP set to a folder, what LoRATests/Fixtures/check_in_peft.py compares with PEFT stays there: for each
/// model NAME the run NAME/ with its adapter, NAME/tokens.json and NAME/logits.safetensors.
@Suite(.serialized) struct ReadByPEFTTests {
    @Test(arguments: ["chat", "chat-dora", "chat-pissa", "chat-pissa-as-trained", "chat-pissa-dora"])
    func trainedAdapterReadsBackAsItWas(name: String) throws { try check(name) }

    @Test func trainedAdapterOfSmolLM2ReadsBackAsItWas() throws { try check("SmolLM2") }

    private func check(_ name: String) throws {
        let scratch = try Scratch()
        let dump = ProcessInfo.processInfo.environment["LORA_DIST_DUMP"] ?? scratch.path
        let run = "\(dump)/\(name)"
        let isTiny = name != "SmolLM2"
        let rows = try String(contentsOfFile: Fixtures.own + "/smollm2-rows.jsonl", encoding: .utf8)
            .split(separator: "\n").prefix(12).map { JSON.object(JSONObject([("messages", try messages($0))])).text() }
        let data = scratch.path + "/rows.jsonl"
        try (rows.joined(separator: "\n") + "\n").write(toFile: data, atomically: true, encoding: .utf8)

        var config = RunConfig()
        config.model.path = isTiny ? "\(Fixtures.models)/chat" : Fixtures.smolLM2
        config.lora.r = isTiny ? 4 : 16
        config.lora.loraDropout = 0.1
        config.lora.useDoRA = name.contains("dora")
        if name.contains("pissa") { config.lora.initLoRAWeights = .pissa(iterations: nil) }
        if name.hasSuffix("as-trained") { config.output.savePiSSAAs = .pissa }
        config.data.train = [data]
        config.output.dir = run
        config.training.maxSteps = isTiny ? 20 : 3
        config.training.globalBatchSize = 4
        config.training.learningRate = isTiny ? 0.02 : 2e-3
        config.training.threads = 2
        var path = ""
        var options = RunOptions { $0.tree.text() }
        options.overwrite = true
        try runTraining(
            config: config, options: options, world: .alone()
        ) { event in
            if case .finished(let summary) = event { path = summary.adapterPath }
        }

        // Written, read and written again: the same bytes.
        let folder = try PEFTFolder.read(path)
        #expect(folder.modules.count == 7 * (isTiny ? 2 : 30))
        try folder.write(to: scratch.path + "/again")
        for file in [PEFTFolder.configName, PEFTFolder.weightsName] {
            #expect(
                try Data(contentsOf: URL(filePath: "\(path)/\(file)"))
                    == Data(contentsOf: URL(filePath: "\(scratch.path)/again/\(file)")), "\(file)")
        }

        // Used: it changes the logits, and what PEFT has to match is left in the folder.
        let base = try BaseModel(path: config.model.path!)
        let adapter = Adapter(groups: base.adaptableGroups, targets: folder.modules, config: folder.config)
        adapter.load { name, _, _ in folder[name]!.floats }
        adapter.loadInitial { name, _, _ in folder.initial.first { $0.name == name }!.floats }
        let workers = Workers(count: 2)
        let vocabulary = base.config.vocabulary
        // Tokens without sense, on which rounding weighs most, and where the vocabulary has them chats that were not trained.
        var examples = (0..<3).map { example in
            (0..<[1, 11, 40][example]).map { Int32((($0 + 3) * 7919 + example * 104_729) % vocabulary) }
        }
        if !isTiny { examples += try Fixtures.smolLM2Rows()[12..<16].map(\.tokens) }
        let decoder = Decoder(base: base, adapter: adapter, positions: examples.map(\.count).max()!)
        decoder.prepare(on: workers)
        var tensors: [(name: String, shape: [Int], floats: [Float])] = []
        for (index, tokens) in examples.enumerated() {
            let adapted = logits(decoder, tokens, usesAdapter: true, on: workers)
            let bare = logits(decoder, tokens, usesAdapter: false, on: workers)
            #expect(zip(adapted, bare).contains { abs($0 - $1) > 0.1 }, "the adapter does next to nothing")
            tensors.append(("logits.\(index)", [tokens.count, vocabulary], adapted))
        }
        try SafetensorsWriter().write(to: "\(run)/logits.safetensors", tensors: tensors)
        let ids = JSON.array(examples.map { .array($0.map { .integer(Int64($0)) }) })
        try JSON.object(JSONObject([("examples", ids)])).text()
            .write(toFile: "\(run)/tokens.json", atomically: true, encoding: .utf8)
    }

    private func messages(_ line: Substring) throws -> JSON { try JSON(parsing: String(line))["messages"]! }
}
