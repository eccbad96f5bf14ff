import Foundation
import JSONText
import Testing
import WeightFiles

/// Runs that train biases, embedding and head too, with noise on embeddings and smoothed labels.
@Suite(.serialized) struct RunPartsTests {
    private let tiny: TinyRun
    private let settings = [
        "data.train=ragged.jsonl", "data.eval=train.jsonl", "lora.r=4", "lora.target_modules=[q_proj, down_proj]",
        "training.max_steps=6", "training.warmup_steps=2", "training.max_grad_norm=0.5", "training.weight_decay=0.1",
        "training.learning_rate=0.01", "training.global_batch_size=7", "training.eval_steps=3", "training.save_steps=4",
        "training.micro_batches_per_step=5", "data.template_date=2025-01-01",
    ]
    private let parts = [
        "lora.bias=all", "lora.modules_to_save=[lm_head, embed_tokens]", "training.neftune_noise_alpha=5",
        "training.label_smoothing_factor=0.1", "training.loraplus_lr_ratio=2",
    ]

    init() throws {
        tiny = try TinyRun()
        try tiny.folder.write(TinyRun.raggedRows(25), to: "ragged.jsonl")
        try tiny.giveBiases()
    }

    @Test(arguments: ["fp32", "bf16"]) func ranksLeaveNoTrace(_ dtype: String) throws {
        let all = settings + parts + ["model.dtype=\(dtype)"]
        try tiny.trains(all, into: "alone")
        let adapter = try tiny.adapter("alone")
        let evaluated = try tiny.numbers("loss", of: "evaluated", "alone")
        for (ranks, threads) in [(nil, 2), (2, 1), (3, 1), (3, 2)] as [(Int?, Int)] {
            let folder = "ranks\(ranks ?? 0)-threads\(threads)"
            try tiny.trains(all + ["training.threads=\(threads)"], into: folder, ranks: ranks)
            #expect(try tiny.adapter(folder) == adapter, "\(folder): the adapter differs")
            #expect(try tiny.numbers("loss", of: "evaluated", folder) == evaluated)
        }
        try tiny.trains(all + ["training.activation_checkpointing=block"], into: "block")
        #expect(try tiny.adapter("block") == adapter)

        // From the checkpoint after four steps, on other ranks.
        let resumed = try run(
            ["train", "--config", "good.yaml", "--resume", "alone/checkpoints/step-4"]
                + (all + ["output.dir=resumed"]).flatMap { ["--set", $0] }, ranks: 2, in: tiny.path)
        #expect(resumed.exitCode == 0, "\(resumed)")
        #expect(try tiny.adapter("resumed") == adapter)

        // From a finished adapter, which brings its biases and modules.
        try tiny.trains(
            ["lora={init_adapter: alone/adapter}", "training.learning_rate=1e-9", "training.max_steps=1"], into: "on")
        let (before, after) = (try tensors("alone"), try tensors("on"))
        #expect(before.map(\.name) == after.map(\.name) && before.map(\.shape) == after.map(\.shape))
    }

    private func tensors(_ folder: String) throws -> [StoredTensor] {
        try TensorCollection.safetensors(at: "\(tiny.path)/\(folder)/adapter/adapter_model.safetensors").tensors
    }

    /// Each of them changes what is learned, and evaluations are without noise and smoothing.
    @Test func eachMatters() throws {
        try tiny.trains(settings + parts, into: "all")
        let first = try tiny.numbers("loss", of: "step", "all")[0]
        for (index, part) in parts.enumerated() {
            try tiny.trains(settings + parts.filter { $0 != part }, into: "without\(index)")
            #expect(try tiny.adapter("without\(index)") != tiny.adapter("all"), "\(part) changes nothing")
            // Noise and smoothing move the loss of the first step, what is trained does not.
            let loss = try tiny.numbers("loss", of: "step", "without\(index)")[0]
            let moves = part.hasPrefix("training.neftune") || part.hasPrefix("training.label")
            #expect((abs(loss - first) > 1e-4) == moves, "\(part): \(loss) and \(first)")
        }
        let names = try tensors("all").map(\.name)
        for name in ["lm_head.weight", "model.embed_tokens.weight", "model.layers.1.self_attn.q_proj.base_layer.bias"] {
            #expect(names.contains("base_model.model." + name), "\(names)")
        }
        #expect(names.count { $0.hasSuffix(".bias") } == 2 * 7)

        try tiny.trains(settings + ["training.learning_rate=1e-12"], into: "plain")
        try tiny.trains(settings + parts + ["training.learning_rate=1e-12"], into: "still")
        let losses = try ["plain", "still"].map { try tiny.numbers("loss", of: "evaluated", $0)[0] }
        #expect(abs(losses[0] - losses[1]) < 1e-6, "\(losses)")
    }

    @Test func gradientsAgreeWithDifferences() throws {
        for dtype in ["fp32", "bf16"] {
            let outcome = try run(
                ["train", "--config", "good.yaml", "--debug"]
                    + (settings + parts + ["model.dtype=\(dtype)", "training.max_steps=1", "output.dir=\(dtype)"])
                    .flatMap { ["--set", $0] }, in: tiny.path, limit: 300)
            #expect(outcome.exitCode == 0, "\(outcome)")
            #expect(outcome.stderr.contains("debug: gradients agree with finite differences"), "\(outcome)")
            for tensor in ["model.embed_tokens.weight", "lm_head.weight", "0.mlp.up_proj.bias"] {
                #expect(outcome.stderr.contains("\(tensor) ("), "\(tensor): \(outcome)")
            }
        }
    }

    @Test func evaluatesAnswersAndShows() throws {
        try tiny.trains(settings + parts + ["model.dtype=fp32"], into: "run")
        let fp32 = ["--data", "train.jsonl", "--set", "model.dtype=fp32"]
        let losses = try tiny.evaluates(fp32 + ["--adapter", "run/adapter"])
        let (base, adapted) = (losses["base"]!["loss"]!.double!, losses["adapter"]!["loss"]!.double!)
        #expect(adapted < base - 0.05)
        let last = try tiny.numbers("loss", of: "evaluated").last!
        #expect(abs(adapted - last) < 1e-5, "\(adapted) and \(last)")
        let alone = try tiny.evaluates(fp32)
        #expect(alone["base"]?["loss"]?.double == base, "the base is not as it was")
        let answer = try run(
            ["generate", "--model", "model", "--adapter", "run/adapter", "--prompt", "say 1", "--max-new-tokens", "3"],
            in: tiny.path)
        #expect(answer.exitCode == 0, "\(answer)")
        let shown = try run(["inspect", "run/adapter"], in: tiny.path)
        #expect(shown.stdout.contains("bias: all\nsaved whole: embed_tokens, lm_head\n"), "\(shown)")
        let json = try JSON(parsing: run(["inspect", "--json", "run/adapter"], in: tiny.path).stdout)
        #expect(json["bias"]?.string == "all" && json["modules_to_save"]?.array?.count == 2)
        let report = try #require(try tiny.events(of: "started").first?["data_report"]?.array).compactMap(\.string)
        for text in ["14 biases", "trained whole: embed_tokens, lm_head, 264 × 24 numbers each", "are one table"] {
            #expect(report.contains { $0.contains(text) }, "\(text): \(report)")
        }
    }

    /// The adapter's numbers in 16 bits; checkpoints keep all of them.
    @Test(arguments: ["float16", "bfloat16"]) func adaptersOfSixteenBits(_ format: String) throws {
        try tiny.trains(settings, into: "whole")
        let outcome = try run(
            ["train", "--config", "good.yaml", "--resume", "whole/checkpoints/step-4"]
                + (settings + ["output.dir=half", "output.adapter_dtype=\(format)"]).flatMap { ["--set", $0] },
            in: tiny.path)
        #expect(outcome.exitCode == 0, "\(outcome)")
        let file = "checkpoints/step-6/adapter_model.safetensors"
        #expect(try tiny.bytes("half/\(file)") == tiny.bytes("whole/\(file)"))
        let (half, whole) = (try tensors("half"), try tensors("whole"))
        #expect(half.allSatisfy { $0.type == (format == "float16" ? .f16 : .bf16) })
        #expect(whole.allSatisfy { $0.type == .f32 } && half.map(\.shape) == whole.map(\.shape))
        // In bf16, products round A and B anyway.
        let losses = try ["half", "whole"].map {
            try tiny.evaluates(
                ["--data", "train.jsonl", "--set", "model.dtype=fp32", "--adapter", "\($0)/adapter"])["adapter"]![
                    "loss"]!
                .double!
        }
        #expect(losses[0] != losses[1] && abs(losses[0] - losses[1]) < 0.01, "\(losses)")
    }

    /// With noise each example differs, so that nothing is shared in training.
    @Test func noPrefixIsSharedWithNoise() throws {
        let system = #"{"role": "system", "content": "Answer shortly, in the tone of a lighthouse keeper."}, "#
        let rows = TinyRun.raggedRows(25).replacing(#""messages": ["#, with: #""messages": ["# + system)
        try tiny.folder.write(rows, to: "ragged.jsonl")
        let noise = settings + ["training.neftune_noise_alpha=5", "model.dtype=fp32"]
        try tiny.trains(noise, into: "on")
        try tiny.trains(noise + ["training.share_prefix=false"], into: "off")
        #expect(try tiny.adapter("on") == tiny.adapter("off"))
        let report = try #require(try tiny.events(of: "started", "on").first?["data_report"]?.array).compactMap(
            \.string)
        #expect(
            report.contains { $0.hasSuffix("tokens: not shared, since neftune_noise_alpha is above 0") }, "\(report)")
    }

    @Test func whatCannotBeTrainedIsRefused() throws {
        try tiny.refusesToTrain(
            "lora.bias=lora_only", "lora.target_modules=[v_proj]", "model.path=model.gguf", code: 2,
            says: "lora.bias: is lora_only, and model.gguf has no biases, so that nothing would be trained; write none")
        try tiny.refusesToTrain(
            "lora.modules_to_save=[norm]", code: 2, says: "lora.modules_to_save: found [\"norm\"], expected a list of")
        try tiny.trains(settings + parts, into: "run2")
        try expectRefusal(
            ["eval", "--model", "model.gguf", "--adapter", "run2/adapter", "--data", "train.jsonl"], code: 3,
            ["holds base_model.model.model.layers.0.mlp.down_proj.base_layer.bias, which model.gguf does not have"],
            in: tiny.path)
    }
}

extension TinyRun {
    /// Gives every linear map of `model/` a bias.
    fileprivate func giveBiases() throws {
        let file = "\(path)/model/model.safetensors"
        let copy = "\(path)/plain.safetensors"
        try FileManager.default.moveItem(atPath: file, toPath: copy)
        let tensors = try TensorCollection.safetensors(at: copy).tensors
        var sources = tensors.map { tensor in
            SafetensorsWriter.Source(name: tensor.name, type: tensor.type, shape: tensor.shape) { try $0(tensor.bytes) }
        }
        for tensor in tensors where tensor.name.hasSuffix("_proj.weight") {
            let floats = (0..<tensor.shape[0]).map { Float($0 * 7 % 11 - 5) / 20 }
            sources.append(
                SafetensorsWriter.Source(
                    name: tensor.name.replacing(".weight", with: ".bias"), shape: [floats.count]
                ) { try floats.withUnsafeBytes($0) })
        }
        try SafetensorsWriter().write(to: file, sources: sources, metadata: ["format": "pt"])
        for key in ["attention_bias", "mlp_bias"] {
            try replace("\"\(key)\": false", with: "\"\(key)\": true", in: "model/config.json")
        }
    }
}
