import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// What `plan` tells and refuses, and that it is true of a tiny run.
    @Suite struct PlanTests {
        private let tiny: TinyRun
        /// A rate that is given, so that nothing is measured.
        private let given = ["--gflops", "100", "--set", "model.dtype=fp32"]

        init() throws { tiny = try TinyRun() }

        private func plan(_ arguments: [String], ranks: Int? = nil) throws -> Outcome {
            let outcome = try run(["plan"] + arguments, ranks: ranks, in: tiny.path)
            #expect(outcome.exitCode == 0 && outcome.stderr.isEmpty, "\(outcome)")
            return outcome
        }

        /// All keys of an object and of the objects in it, those of an array's first element too.
        private func keys(_ json: JSON, _ path: String = "") -> [String] {
            if let first = json.array?.first { return keys(first, path) }
            guard let members = json.object?.members else { return [path] }
            return members.flatMap { keys($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
        }

        private static let figures: [String] = {
            let memory = [
                "values", "gradients", "moments", "best", "arena", "buffers", "overhead", "rank", "base", "embedding",
                "shared", "node",
            ]
            var keys = ["model", "dtype", "activation_checkpointing", "micro_batch_tokens", "base_parameters"]
            keys += ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].flatMap {
                ["adapter.modules.\($0).matrices", "adapter.modules.\($0).parameters"]
            }
            keys += ["parameters", "share", "file_bytes", "checkpoint_bytes"].map { "adapter.\($0)" }
            keys += ["what", "parameters", "share"].map { "share_examples.\($0)" }
            keys += [
                "is_assumed", "examples", "tokens", "trained_tokens", "longest", "steps", "tokens_per_step",
                "micro_batches_per_step", "largest_micro_batch", "evaluations", "held_out_tokens",
            ].map { "work.\($0)" }
            keys += ["linear", "lora", "attention", "head"].map { "work.flops_per_token.\($0)" }
            keys += ["all_reduce_bytes"]
            for way in ["full", "lora", "qlora"] { keys += memory.map { "memory.\(way).\($0)_bytes" } }
            keys += ["configured", "fit.fits", "fit.ranks_per_node", "fit.needed_bytes", "fit.available_bytes"]
            keys += ["fit.changes"]
            keys += [
                "is_given", "raw_flops_per_second", "step_flops_per_second", "threads", "measured_layers",
                "measured_tokens", "measuring_seconds", "network_gigabits_per_second", "latency_seconds",
            ].map { "speed.\($0)" }
            keys += [
                "ranks", "nodes", "threads", "step_seconds", "sum_seconds", "tokens_per_second", "efficiency",
                "run_seconds", "node_bytes",
            ].map { "scaling.\($0)" }
            return keys
        }()

        @Test func figuresOfARunWithData() throws {
            let json = try JSON(
                parsing: try plan(["--config", "good.yaml", "--json", "--set", "data.eval=train.jsonl"] + given).stdout)
            #expect(keys(json).filter { $0 != "doubts" && $0 != "assumptions" } == Self.figures)
            #expect(json["work"]?["is_assumed"]?.bool == false && json["work"]?["steps"]?.int == 2)
            #expect(json["work"]?["examples"]?.int == 8 && json["work"]?["evaluations"]?.int == 1)
            #expect(json["configured"]?.string == "lora" && json["speed"]?["is_given"]?.bool == true)
            #expect(json["assumptions"]?.array?.isEmpty == true)
            #expect(json["doubts"]?.array?.count == 1, "a tiny model")
            let parameters = json["adapter"]!["parameters"]!.int!
            #expect(json["all_reduce_bytes"]?.int == 8 * parameters)
            let scaling = json["scaling"]!.array!
            #expect(scaling.map { $0["ranks"]!.int! } == [1, 2, 4, 8, 16, 32, 64])
            #expect(scaling.allSatisfy { $0["run_seconds"]!.double! > 2 * $0["step_seconds"]!.double! })
        }

        /// The same run is told whatever the model is opened from, as far as it is known.
        @Test func modelsOfEveryKind() throws {
            try FileManager.default.createDirectory(
                atPath: tiny.path + "/bare", withIntermediateDirectories: true)
            try tiny.folder.write(Data(try tiny.bytes("model/config.json")), to: "bare/config.json")
            func told(_ arguments: String...) throws -> JSON {
                try JSON(parsing: try plan(["--config", "good.yaml", "--json"] + given + arguments).stdout)
            }
            let whole = try told()
            for model in ["model.gguf", "model/config.json"] {
                let other = try told("--model", model)
                #expect(other["work"]?["tokens"]?.int == whole["work"]?["tokens"]?.int, "\(model)")
                #expect(other["adapter"]?.text() == whole["adapter"]?.text(), "\(model)")
            }
            for model in ["bare", "bare/config.json"] {
                let bare = try told("--model", model)
                #expect(bare["adapter"]?.text() == whole["adapter"]?.text(), "\(model)")
                #expect(bare["work"]?["is_assumed"]?.bool == true, "\(model)")
                let notes = bare["assumptions"]!.array!.map { $0.string! }
                #expect(notes.count == 2 && notes[0].contains("tokenizer.json") && notes[1].contains("no weights"))
            }
            let shape = try told("--shape", "llama-3.1-8b", "--set", "lora.r=64", "--memory", "1000")
            #expect(shape["adapter"]?["parameters"]?.int == 167_772_160)
            #expect(shape["base_parameters"]?.int == 8_030_261_248)
            #expect(shape["memory"]?["lora"]?["base_bytes"]?.int == 15_009_316_864)
            #expect(shape["doubts"]?.array?.isEmpty == true)
            // Quantised layers instead: the LoRA column stays, and QLoRA is what is configured.
            let nf4 = try told("--set", "model.quantization=nf4")
            #expect(nf4["configured"]?.string == "qlora")
            func base(_ json: JSON, _ way: String) -> Int? { json["memory"]?[way]?["base_bytes"]?.int }
            #expect(base(nf4, "lora") == base(whole, "lora") && base(nf4, "qlora") == base(whole, "qlora"))
            #expect(nf4["fit"]?["needed_bytes"]?.int == nf4["memory"]?["qlora"]?["node_bytes"]?.int)
        }

        @Test func textIsNarrowAndSaysWhatLoRAIsTaughtBy() throws {
            for arguments in [
                ["--config", "good.yaml"], ["--shape", "llama-3.1-8b", "--memory", "4000", "--ranks-per-node", "8"],
                ["--model", "model/config.json", "--set", "lora.r=4096"],
            ] {
                let text = try plan(arguments + given).stdout
                let lines = text.split(whereSeparator: \.isNewline)
                #expect(lines.count > 50 && lines.allSatisfy { $0.count <= 80 }, "\(text)")
                #expect(!text.contains("\u{1B}"))
                for found in [
                    "65,536 0.39 %", "3,407,872 0.042 %", "167,772,160 2.09 %", "rule of thumb", "0.2–1 %",
                    "16 bytes a parameter", "Rajbhandari et al. 2020",
                ] {
                    let words = lines.joined(separator: " ").split(separator: " ").joined(separator: " ")
                    #expect(words.contains(found), "\(found) in \(text)")
                }
            }
        }

        /// Measured by the code that trains, in about two seconds and what a slow build adds.
        @Test(arguments: ["fp32", "bf16"]) func measuredHere(dtype: String) throws {
            let outcome = try plan(["--config", "good.yaml", "--json", "--set", "model.dtype=\(dtype)"])
            let json = try JSON(parsing: outcome.stdout)
            let speed = json["speed"]!
            #expect(speed["is_given"]?.bool == false && speed["measured_layers"]?.int == 2)
            #expect(speed["raw_flops_per_second"]!.double! > 1e8 && speed["step_flops_per_second"]!.double! > 0)
            #expect(speed["measuring_seconds"]!.double! < 20)
            #expect(json["scaling"]!.array!.allSatisfy { $0["step_seconds"]!.double! > 0 })
        }

        /// mpirun's ranks are told apart: one speaks, and the others count.
        @Test func underMPIOneRankSpeaks() throws {
            let outcome = try plan(["--config", "good.yaml", "--json"] + given, ranks: 2)
            let json = try JSON(parsing: outcome.stdout)
            #expect(json["fit"]?["ranks_per_node"]?.int == 2)
        }

        @Test func whatDoesNotFit() throws {
            func refused(_ arguments: String...) throws -> Outcome {
                let outcome = try run(["plan"] + arguments + given, in: tiny.path)
                #expect(outcome.exitCode == 1 && outcome.errors.count == 1, "\(outcome)")
                #expect(outcome.errors.first?.contains("the run does not fit") == true, "\(outcome)")
                return outcome
            }
            let text = try refused("--shape", "llama-3.1-8b", "--memory", "15", "--set", "data.max_length=512")
            #expect(text.stdout.contains("NO: a node of 1 rank needs"), "\(text)")
            #expect(text.stderr.contains("model.quantization: nf4"), "\(text)")
            let outcome = try refused("--shape", "llama-3.1-8b", "--memory", "0.5", "--json")
            let json = try JSON(parsing: outcome.stdout)
            #expect(json["fit"]?["fits"]?.bool == false && json["fit"]!["changes"]!.array!.count == 1)
            #expect(outcome.stderr.contains("; even "), "\(outcome)")
        }

        @Test func refusals() throws {
            func refuses(_ arguments: [String], code: Int32, _ texts: String...) throws {
                try expectRefusal(["plan"] + arguments, code: code, texts, in: tiny.path)
            }
            try refuses([], code: 2, "model.path")
            try refuses(["--shape", "llama-9"], code: 2, "llama-9", "smollm2-135m")
            try refuses(["--shape", "llama-3.1-8b", "--model", "model"], code: 2, "--shape", "--model")
            try refuses(["--model", "model", "--memory", "0"], code: 2, "--memory", "above 0")
            try refuses(["--model", "model", "--ranks-per-node", "0"], code: 2, "--ranks-per-node", "from 1 to 4096")
            try refuses(["--model", "nowhere"], code: 3, "nowhere", "no such file")
            try tiny.folder.write(
                #"{"model_type": "bert", "hidden_size": "large", "num_attention_heads": 12, "vocab_size": 100}"#,
                to: "bert/config.json")
            for path in ["bert", "bert/config.json"] {
                try expectRefusal(
                    ["plan", "--model", path], code: 3,
                    [
                        "bert/config.json", "model_type \"bert\" is not supported", "hidden_size is a string",
                        "intermediate_size is missing", "num_hidden_layers is missing",
                    ], in: tiny.path, ranks: [nil])
            }
            try expectRefusal(
                ["plan", "--config", "good.yaml", "--set", "lora.target_modules=[nothing]"], code: 2,
                ["lora.target_modules"], in: tiny.path, ranks: [nil])
            try expectRefusal(
                ["plan", "--config", "good.yaml", "--set", "data.train=absent.jsonl"], code: 3, ["absent.jsonl"],
                in: tiny.path, ranks: [nil])
        }
    }
}

/// The memory that a plan foretells, beside that of the run.
@Suite(.serialized) struct PlanMemoryTests {
    /// The adapter is made large, so that what is the program's own counts for little.
    @Test(arguments: [1, 2]) func isThatOfTheRun(ranks: Int) throws {
        let tiny = try TinyRun()
        let settings = ["lora.r=60000", "lora.target_modules=[down_proj]", "model.dtype=fp32", "training.max_steps=3"]
            .flatMap { ["--set", $0] }
        let told = try run(
            ["plan", "--config", "good.yaml", "--json", "--gflops", "100", "--ranks-per-node", "\(ranks)"] + settings,
            in: tiny.path)
        #expect(told.exitCode == 0, "\(told)")
        let json = try JSON(parsing: told.stdout)
        let row = json["scaling"]!.array!.first { $0["ranks"]!.int == ranks }!
        let predicted = row["node_bytes"]!.int! - json["memory"]!["lora"]!["base_bytes"]!.int!
        let watch = try RunWatch(
            mpirun(ranks).filter { _ in ranks > 1 } + [executable, "train", "--config", "good.yaml"] + settings,
            ranks: ranks, in: tiny.path, watchesMemory: true)
        #expect(watch.exitCode == 0, "\(watch.stderr)")
        let ratio = Double(predicted) / Double(watch.privateDirty)
        #expect(abs(ratio - 1) < 0.12, "\(predicted) predicted, \(watch.privateDirty) measured")
        print("figures: plan, \(ranks) ranks: \(predicted >> 20) MiB predicted, \(watch.privateDirty >> 20) measured")
    }
}
