import Foundation
import JSONText
import Testing

/// Runs with DoRA and with PiSSA: what they leave, on any ranks, with a resume or not.
@Suite(.serialized) struct RunVariantTests {
    private let tiny: TinyRun
    private let settings = [
        "data.train=ragged.jsonl", "data.eval=train.jsonl", "lora.r=4", "training.max_steps=6",
        "training.warmup_steps=2", "training.max_grad_norm=0.5", "training.weight_decay=0.1",
        "training.learning_rate=0.01", "training.global_batch_size=7", "training.eval_steps=3", "training.save_steps=3",
        "data.template_date=2025-01-01",
    ]
    private static let variants = [
        ["lora.use_dora=true", "lora.lora_dropout=0.1", "model.dtype=fp32"],
        ["lora.use_dora=true", "model.dtype=bf16", "lora.init_lora_weights=false"],
        ["lora.init_lora_weights=pissa", "model.dtype=fp32"],
        ["lora.init_lora_weights=pissa_niter_4", "lora.lora_dropout=0.1", "model.dtype=bf16"],
        ["lora.init_lora_weights=pissa", "lora.use_dora=true", "model.dtype=fp32"],
    ]

    init() throws {
        tiny = try TinyRun()
        try tiny.folder.write(TinyRun.raggedRows(25), to: "ragged.jsonl")
    }

    private func files(_ folder: String) throws -> [[UInt8]] {
        let names = ["adapter_config.json", "adapter_model.safetensors"]
        let checkpoint = "\(folder)/checkpoints/step-6"
        let initial = "\(checkpoint)/initial.safetensors"
        let hasInitial = FileManager.default.fileExists(atPath: "\(tiny.path)/\(initial)")
        return try
            (names.map { "\(folder)/adapter/\($0)" } + (names + ["moments.safetensors"]).map { "\(checkpoint)/\($0)" }
            + (hasInitial ? [initial] : [])).map(tiny.bytes)
    }

    @Test(arguments: variants) func sameBitsOnAnyRanks(_ variant: [String]) throws {
        let settings = settings + variant
        try tiny.trains(settings, into: "alone")
        let expected = try files("alone")
        #expect(expected.count == (variant.contains { $0.contains("pissa") } ? 6 : 5))
        for (ranks, threads) in [(1, 2), (2, 1), (3, 1)] {
            try tiny.trains(settings + ["training.threads=\(threads)"], into: "ranks\(ranks)", ranks: ranks)
            #expect(try files("ranks\(ranks)") == expected, "\(ranks) ranks of \(threads) threads differ")
        }
        // Less kept for the backward pass, and a resume on other ranks.
        try tiny.trains(settings + ["training.activation_checkpointing=block"], into: "block")
        #expect(try files("block") == expected, "activation_checkpointing changes the run")
        for (from, ranks) in [("alone", 3), ("ranks3", 1)] {
            let assignments = settings + ["output.dir=resumed-\(from)"]
            let outcome = try run(
                ["train", "--config", "good.yaml", "--resume", "\(from)/checkpoints/step-3"]
                    + assignments.flatMap { ["--set", $0] }, ranks: ranks, in: tiny.path)
            #expect(outcome.exitCode == 0 && outcome.stderr.contains("after step 3 of 6"), "\(outcome)")
            #expect(try files("resumed-\(from)") == expected, "resumed from \(from) on \(ranks) ranks differs")
        }
    }

    /// What a run says of its loss is what its adapter gives, in each form that it has.
    @Test(arguments: variants) func adapterIsWhatWasTrained(_ variant: [String]) throws {
        try tiny.trains(settings + variant)
        let last = try #require(try tiny.numbers("loss", of: "evaluated").last)
        let dtype = try #require(variant.first { $0.hasPrefix("model.dtype=") })
        func loss(_ adapter: String, ranks: Int? = nil) throws -> Double {
            try tiny.evaluates(["--data", "train.jsonl", "--adapter", adapter, "--set", dtype], ranks: ranks)[
                "adapter"]![
                    "loss"]!.double!
        }
        #expect(try loss("run/checkpoints/step-6") == last)
        let isPiSSA = variant.contains { $0.contains("pissa") }
        let saved = try loss("run/adapter")
        #expect(isPiSSA ? abs(saved / last - 1) < (dtype.hasSuffix("bf16") ? 3e-3 : 1e-5) : saved == last)
        #expect(try loss("run/adapter", ranks: 2) == saved)
        let config = try JSON(parsing: tiny.bytes("run/adapter/adapter_config.json"))
        #expect(config["r"]?.int == (isPiSSA ? 8 : 4))
        #expect(config["use_dora"]?.bool == (variant.contains("lora.use_dora=true") ? true : nil))
        if isPiSSA {
            try tiny.trains(settings + variant + ["output.save_pissa_as=pissa"], into: "peft")
            #expect(try loss("peft/adapter") == last)
            let config = try JSON(parsing: tiny.bytes("peft/adapter/adapter_config.json"))
            #expect(variant.contains("lora.init_lora_weights=\(config["init_lora_weights"]!.string!)"))
            #expect(
                try tiny.bytes("peft/adapter/adapter_model.safetensors")
                    == tiny.bytes("run/checkpoints/step-6/adapter_model.safetensors"))
        }
        let shown = try run(["inspect", "run/adapter"], in: tiny.path)
        #expect(shown.exitCode == 0 && shown.stdout.contains("(DoRA)") == variant.contains("lora.use_dora=true"))
        let said = try run(
            [
                "generate", "--config", "good.yaml", "--adapter", "run/adapter", "--prompt", "say 1",
                "--max-new-tokens", "4",
            ],
            in: tiny.path)
        #expect(said.exitCode == 0, "\(said)")
    }

    /// Training goes on from an adapter of DoRA and of PiSSA, in each form.
    @Test func startsFromAnAdapter() throws {
        for (name, more) in [
            ("dora", ["lora.use_dora=true"]),
            ("pissa", ["lora.init_lora_weights=pissa", "output.save_pissa_as=pissa"]),
            ("plain", ["lora.init_lora_weights=pissa"]),
        ] {
            try tiny.trains(["lora.r=3", "training.learning_rate=0.05", "model.dtype=fp32"] + more, into: name)
            let file = "\(name).yaml"
            try tiny.folder.write(
                String(decoding: try tiny.bytes("good.yaml"), as: UTF8.self)
                    .replacing("lora: {r: 2}", with: "lora: {init_adapter: \(name)/adapter}"), to: file)
            let outcome = try run(
                [
                    "train", "--config", file, "--set", "training.max_steps=1", "--set", "training.global_batch_size=8",
                    // An evaluation's rows are in this order: products of few rows depend on it in their last bits.
                    "--set", "data.shuffle=false",
                    "--set", "training.learning_rate=1e-30", "--set", "output.dir=\(name)-on", "--set",
                    "model.dtype=fp32",
                    "--set", "output.save_pissa_as=pissa",
                ], in: tiny.path)
            #expect(outcome.exitCode == 0, "\(outcome)")
            #expect(try tiny.adapter("\(name)-on") == tiny.adapter(name), "\(name): a step of no size changed it")
            let measured = try tiny.evaluates(
                ["--data", "train.jsonl", "--adapter", "\(name)/adapter", "--set", "model.dtype=fp32"])
            #expect(try tiny.numbers("loss", of: "step", "\(name)-on") == [measured["adapter"]!["loss"]!.double!])
        }
    }

    @Test(arguments: variants) func gradientsAgree(_ variant: [String]) throws {
        let outcome = try run(
            ["train", "--config", "good.yaml", "--debug"] + variant.flatMap { ["--set", $0] }, in: tiny.path, limit: 400
        )
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(outcome.stderr.contains("debug: gradients agree with finite differences"), "\(outcome)")
        let name = "debug: model.layers.0.self_attn.q_proj.lora_magnitude_vector (1, 24)"
        #expect(outcome.stderr.contains(name) == variant.contains("lora.use_dora=true"), "\(outcome)")
    }

    /// Quantised bases: DoRA works on them, PiSSA says why it does not.
    @Test func quantisedBases() throws {
        let quantised = try run(["quantize", "model", "nf4"], in: tiny.path)
        #expect(quantised.exitCode == 0, "\(quantised)")
        try tiny.trains(["model.path=nf4", "lora.use_dora=true"], into: "dora")
        #expect(try tiny.numbers("loss", of: "step", "dora").allSatisfy { $0.isFinite })
        try tiny.refusesToTrain(
            "model.path=nf4", "lora.init_lora_weights=pissa", code: 2,
            says: "lora.init_lora_weights: pissa begins with the singular values of the full weights, and "
                + "model.layers.0.self_attn.q_proj is quantised (nf4)")
        try tiny.refusesToTrain(
            "lora.r=100", "lora.init_lora_weights=pissa_niter_4", code: 2,
            says:
                "lora.init_lora_weights: pissa_niter_4: model.layers.0.self_attn.q_proj is (24, 24) and has 24 singular values"
        )
    }

    /// A GGUF file keeps rows of q and k in another order, which leaves no trace.
    @Test func ggufBasesTrainAlike() throws {
        for (name, more) in [("dora", "lora.use_dora=true"), ("pissa", "lora.init_lora_weights=pissa")] {
            let settings = [more, "model.dtype=fp32", "data.template_date=2025-01-01"]
            try tiny.trains(settings, into: name)
            try tiny.trains(settings + ["model.path=model.gguf"], into: name + "-gguf")
            #expect(try tiny.adapter(name + "-gguf") == tiny.adapter(name), "\(name)")
        }
    }

    @Test func wrongSettings() throws {
        try tiny.refusesToTrain(
            "lora.init_lora_weights=pissa_niter_x", code: 2,
            says: "expected true, false, gaussian, pissa or pissa_niter_N with N power iterations")
        try tiny.refusesToTrain("lora.use_dora=1", code: 2, says: "lora.use_dora: found 1, expected true or false")
        try tiny.refusesToTrain(
            "output.save_pissa_as=pissa", code: 2, says: "output.save_pissa_as: says how PiSSA is saved")
        try tiny.refusesToTrain(
            "output.save_pissa_as=pissa", "lora.init_lora_weights=pissa", "lora.use_rslora=true",
            "lora.rank_pattern={q_proj: 1}", code: 2, says: "output.save_pissa_as: PEFT converts no PiSSA adapter")
        // What changes nothing is refused, and what no machine holds.
        for (setting, says) in [
            ("lora.rank_pattern={q_porj: 4}", "lora.rank_pattern: \"q_porj\" matches no module that is adapted"),
            ("lora.alpha_pattern={up_proj: 4}", "lora.alpha_pattern: \"up_proj\" matches no module"),
            ("lora.exclude_modules=[q_porj]", "lora.exclude_modules: \"q_porj\" matches no linear layer"),
            ("lora.exclude_modules=v_proj", "lora.exclude_modules: the regular expression \"v_proj\" matches no"),
            ("lora.layers_to_transform=[0, 99]", "lora.layers_to_transform: there is no layer 99"),
            ("lora.exclude_modules=[q_proj, v_proj]", "lora.exclude_modules: leaves none of the modules"),
            ("lora.layers_to_transform=7", "lora.layers_to_transform: none of target_modules is in a layer named"),
        ] {
            try tiny.refusesToTrain("lora.target_modules=[q_proj, v_proj]", setting, code: 2, says: says)
        }
        try tiny.refusesToTrain(
            "lora.layers_to_transform=0", "lora.target_modules=.*q_proj", code: 2,
            says: "lora.layers_to_transform: goes with a list of target_modules only")
        try tiny.refusesToTrain("lora.init_lora_weights=olora", code: 2, says: "not PEFT's loftq, olora")
        try tiny.refusesToTrain("output.save_pissa_as=plain", code: 2, says: "found \"plain\", expected lora or pissa")
        // Another kind of adapter is not resumed.
        try tiny.trains([])
        let outcome = try run(
            [
                "train", "--config", "good.yaml", "--resume", "run/checkpoints/step-2", "--set", "lora.use_dora=true",
                "--set",
                "output.dir=other", "--set", "training.max_steps=3",
            ], in: tiny.path)
        #expect(outcome.exitCode == 2 && outcome.stderr.contains("lora.use_dora was false and is true"), "\(outcome)")
    }

    @Test func benchmarkRuns() throws {
        for more in [["lora.use_dora=true"], ["lora.init_lora_weights=pissa_niter_2"]] {
            let outcome = try run(
                ["bench", "--config", "good.yaml", "--tokens", "64", "--example-tokens", "32", "--steps", "1"]
                    + more.flatMap { ["--set", $0] }, in: tiny.path, limit: 400)
            #expect(outcome.exitCode == 0, "\(outcome)")
        }
    }
}
