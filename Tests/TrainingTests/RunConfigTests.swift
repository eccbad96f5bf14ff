import Foundation
import JSONText
import Models
import Testing

@testable import Training

@Suite struct RunConfigTests {
    private func config(_ json: String, needs: [RunConfig.Need] = []) throws -> RunConfig {
        try RunConfig(tree: JSON(parsing: json), needs: needs)
    }

    @Test func defaultsAreTheDocumentedOnes() throws {
        let tree = RunConfig().tree.text()
        #expect(
            tree == #"{"model": {"dtype": "auto", "quantization": "none"}, "lora": {"r": 16, "lora_alpha": 32.0, "#
                + #""lora_dropout": 0.0, "target_modules": "all-linear", "use_rslora": false, "use_dora": false, "#
                + #""init_lora_weights": true, "bias": "none"}, "data": {"max_length": 1024, "#
                + #""long_examples": "truncate", "shuffle": true}, "training": "#
                + #"{"learning_rate": 0.0002, "loraplus_lr_ratio": 1.0, "lr_scheduler_type": "linear", "warmup_steps": 0, "num_train_epochs": 3.0, "#
                + #""global_batch_size": 16, "micro_batch_tokens": 2048, "micro_batches_per_step": 4, "#
                + #""activation_checkpointing": "auto", "state_placement": "node_shared", "share_prefix": true, "weight_decay": 0.0, "neftune_noise_alpha": 0.0, "label_smoothing_factor": 0.0, "max_grad_norm": 1.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "#
                + #""adam_epsilon": 1e-08, "seed": 42, "logging_steps": 10, "save_steps": 500, "#
                + #""save_on_best": false, "on_save_error": "warn", "on_nonfinite": "stop", "audit_steps": 100, "#
                + #""collective_timeout": 300.0, "stop_grace": 20.0, "#
                + #""load_best_model_at_end": false}, "output": {"save_pissa_as": "lora", "adapter_dtype": "float32"}}"#
        )
        #expect(try config("{}") == RunConfig() && config("null") == RunConfig())
        #expect(try config(#"{"lora": null, "data": {"eval": null}}"#) == RunConfig())
    }

    @Test func everyKeyIsReadAndWrittenBack() throws {
        let text = #"""
            {"model": {"path": "m", "base_name": "b", "dtype": "fp32", "quantization": "nf4"}, "lora": {"r": 8, "lora_alpha": 4.0, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"], "use_rslora": true, "use_dora": true, "init_lora_weights": "pissa_niter_4", "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"[kv]_proj": 2.5}, "layers_to_transform": [0, 2], "exclude_modules": ["k_proj"], "bias": "lora_only", "modules_to_save": ["embed_tokens", "lm_head"]}, "data": {"train": ["a", "b"], "eval": "c", "chat_template": "t", "max_length": 77, "long_examples": "drop", "train_on": "last_assistant", "columns": {"prompt": "question"}, "template_date": "2024-02-29", "shuffle": false}, "training": {"learning_rate": 0.001, "loraplus_lr_ratio": 4.0, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 0.03, "num_train_epochs": 0.5, "max_steps": 9, "global_batch_size": 7, "micro_batch_tokens": 100, "micro_batches_per_step": 2, "activation_checkpointing": "block", "state_placement": "private", "share_prefix": false, "weight_decay": 0.01, "neftune_noise_alpha": 5.0, "label_smoothing_factor": 0.1, "max_grad_norm": 0.0, "adam_beta1": 0.8, "adam_beta2": 0.99, "adam_epsilon": 1e-06, "seed": 0, "logging_steps": 1, "eval_steps": 5, "save_steps": 6, "save_total_limit": 3, "save_on_best": true, "on_save_error": "stop", "on_nonfinite": "skip", "audit_steps": 7, "collective_timeout": 9.5, "stop_grace": 1.5, "early_stopping_patience": 2, "load_best_model_at_end": true, "threads": 3}, "output": {"dir": "o", "save_pissa_as": "pissa", "adapter_dtype": "bfloat16"}}
            """#
        #expect(try config(text).tree.text() == text)
        let known = ConfigKeys.sections.flatMap { section in section.keys.map { "\(section.name).\($0)" } }
        let given = try JSON(parsing: text).object!.members.flatMap { section in
            section.value.object!.members.map { "\(section.key).\($0.key)" }
        }
        #expect(Set(known).subtracting(given) == ["lora.init_adapter", "data.eval_split"])
    }

    @Test func valuesThatHaveSeveralForms() throws {
        #expect(try config(#"{"training": {"warmup_steps": 100}}"#).training.warmup == .steps(100))
        #expect(try config(#"{"training": {"warmup_steps": 1.0}}"#).training.warmup == .steps(1))
        #expect(try config(#"{"training": {"max_steps": -1}}"#).training.maxSteps == nil)
        #expect(try config(#"{"data": {"train": "x.jsonl"}}"#).data.train == ["x.jsonl"])
        #expect(
            try config(#"{"lora": {"target_modules": ".*_proj"}}"#).lora.targetModules == .pattern(".*_proj"))
        #expect(try config(#"{"model": {"dtype": "bfloat16"}}"#).model.dtype == .bf16)
        #expect(try config(#"{"model": {"dtype": "float32"}}"#).model.dtype == .fp32)
        let home = try #require(ProcessInfo.processInfo.environment["HOME"])
        #expect(try config(#"{"model": {"path": "~/m"}}"#).model.path == "\(home)/m")
        #expect(try config(#"{"data": {"train": ["~", "a/~", "~b"]}}"#).data.train == [home, "a/~", "~b"])
    }

    @Test func aStartingAdapterBringsItsShape() throws {
        let given = try config(#"{"lora": {"init_adapter": "a", "lora_dropout": 0.1}}"#)
        #expect(try RunConfig(tree: given.tree) == given)
        #expect(given.tree["lora"]?.text() == #"{"lora_dropout": 0.1, "init_adapter": "a"}"#)
        let error = #expect(throws: ConfigError.self) { try config(#"{"lora": {"init_adapter": "a", "r": 8}}"#) }
        #expect(
            error?.description == "lora.r: the adapter in lora.init_adapter says this already; remove one of the two")
    }

    @Test(arguments: [
        ("training", "learning_rate", "-1", "found -1, expected a number above 0"),
        ("training", "learning_rate", "0", "found 0, expected a number above 0"),
        ("training", "learning_rate", "true", "found true, expected a number above 0"),
        ("training", "learning_rate", "null", "found nothing, expected a number above 0"),
        ("training", "learning_rate", "[1]", "found [1], expected a number above 0"),
        ("training", "num_train_epochs", "\"3\"", "found \"3\", expected a number above 0 and below 1000000"),
        (
            "training", "lr_scheduler_type", "\"cosin\"",
            "found \"cosin\", expected linear, cosine, constant or constant_with_warmup"
        ),
        (
            "training", "warmup_steps", "1.5",
            "found 1.5, expected a whole number of steps, or a share of all steps below 1"
        ),
        (
            "training", "max_steps", "0",
            "found 0, expected a whole number of at least 1, or -1 to let the epochs decide"
        ),
        ("training", "global_batch_size", "1.5", "found 1.5, expected a whole number of at least 1"),
        ("training", "seed", "-1", "found -1, expected a whole number of at least 0"),
        ("training", "weight_decay", "-0.1", "found -0.1, expected a number of at least 0"),
        ("training", "adam_beta1", "1", "found 1, expected a number of at least 0 and below 1"),
        ("training", "save_steps", "9999999999", "found 9999999999, expected a whole number of at least 1"),
        ("lora", "r", "0", "found 0, expected a whole number from 1 to 65536"),
        ("lora", "lora_dropout", "1.0", "found 1.0, expected a number of at least 0 and below 1"),
        ("lora", "bias", "\"some\"", "found \"some\", expected none, all or lora_only"),
        ("lora", "modules_to_save", "[\"norm\"]", "found [\"norm\"], expected a list of embed_tokens, lm_head"),
        ("lora", "modules_to_save", "\"lm_head\"", "found \"lm_head\", expected a list of embed_tokens, lm_head"),
        ("training", "neftune_noise_alpha", "-1", "found -1, expected a number of at least 0"),
        ("training", "label_smoothing_factor", "1", "found 1, expected a number of at least 0 and below 1"),
        ("output", "adapter_dtype", "\"fp16\"", "found \"fp16\", expected float32, float16 or bfloat16"),
        (
            "lora", "target_modules", "\"(q\"",
            "found \"(q\", expected all-linear, a list of name suffixes such as [q_proj, v_proj], or a regular expression"
        ),
        (
            "lora", "target_modules", "[]",
            "found [], expected all-linear, a list of name suffixes such as [q_proj, v_proj], or a regular expression"
        ),
        (
            "model", "dtype", "\"float16\"",
            "found \"float16\", expected auto, fp32 or bf16 (not float16: its numbers end at 65,504, and CPUs do not multiply "
                + "them; bf16 costs as little memory)"
        ),
        ("model", "path", "\"\"", "found \"\", expected the path of a Hugging Face model folder or a GGUF file"),
        ("training", "micro_batch_tokens", "0", "found 0, expected a whole number of at least 1, or auto"),
        (
            "training", "micro_batch_tokens", "\"many\"",
            "found \"many\", expected a whole number of at least 1, or auto"
        ),
        (
            "training", "activation_checkpointing", "\"full\"",
            "found \"full\", expected auto, none, selective or block"
        ), ("training", "state_placement", "true", "found true, expected node_shared or private"),
        ("data", "train", "[1]", "found [1], expected the path of a JSONL file, or a list of them"),
        ("data", "eval_split", "1", "found 1, expected a number above 0 and below 1"),
        ("data", "max_length", "1", "found 1, expected a whole number from 2 to 262144"),
        ("data", "template_date", "\"2023-02-29\"", "found \"2023-02-29\", expected a day as YYYY-MM-DD"),
        (
            "data", "columns", "{\"promt\": \"q\"}",
            "found {promt: \"q\"}, expected column names by known name, such as {prompt: question}; known are messages, "
                + "conversations, prompt, completion, instruction, input, output, text and tools"
        ),
    ])
    func refusesTypesAndRanges(section: String, key: String, value: String, reason: String) {
        let error = #expect(throws: ConfigError.self) { try config("{\"\(section)\": {\"\(key)\": \(value)}}") }
        #expect(error?.description == "\(section).\(key): \(reason)")
    }

    @Test(arguments: [
        ("training.learning_rat", "unknown key; did you mean training.learning_rate?"),
        ("training.learning_raet", "unknown key; did you mean training.learning_rate?"),
        ("lora.alpha", "not a key here; use lora.lora_alpha"),
        ("lora.lora_alpa", "unknown key; did you mean lora.lora_alpha?"),
        ("lora.learning_rate", "unknown key; it belongs to another section: training.learning_rate"),
        ("lora.learning_rat", "unknown key; did you mean training.learning_rate?"),
        ("output.folder", "unknown key; keys of output are dir, save_pissa_as and adapter_dtype"),
        ("trainig.seed", "unknown section; did you mean training?"),
        ("data.max_seq_length", "not a key here; use data.max_length"),
        (
            "training.gradient_accumulation_steps",
            "not a key here; use training.global_batch_size (the examples of one step over all ranks; "
                + "training.micro_batch_tokens bounds the memory)"
        ),
        ("training.warmup_ratio", "not a key here; use training.warmup_steps (below 1 it is a share of all steps)"),
        ("training.gradient_checkpointing", "not a key here; use training.activation_checkpointing"),
    ])
    func refusesUnknownKeys(path: String, reason: String) {
        let keys = path.split(separator: ".")
        let error = #expect(throws: ConfigError.self) { try config("{\"\(keys[0])\": {\"\(keys[1])\": 1}}") }
        let shown = reason.hasPrefix("unknown section") ? String(keys[0]) : path
        #expect(error?.description == "\(shown): \(reason)")
    }

    /// What depends on the model's shape alone is chosen by it, and a config that says it stays.
    @Test func microBatchByShape() throws {
        let automatic = try config(#"{"training": {"micro_batch_tokens": "auto"}}"#)
        #expect(automatic.tree["training"]?["micro_batch_tokens"]?.string == "auto")
        #expect(try RunConfig(tree: automatic.tree) == automatic)
        let found = KnownShape.all.map { automatic.completed(for: $0.config).training.microBatchTokens }
        #expect(found == [2048, 1024, 1024, 512], "\(KnownShape.all.map(\.name))")
        let given = try config(#"{"training": {"micro_batch_tokens": 77}}"#)
        #expect(KnownShape.all.allSatisfy { given.completed(for: $0.config) == given })
    }

    @Test func everyAdviceNamesARealKey() {
        let known = Set(ConfigKeys.sections.flatMap { section in section.keys.map { "\(section.name).\($0)" } })
        let names = Set(ConfigKeys.sections.flatMap(\.keys))
        #expect(ForeignKeys.advice.count > 100)
        for (key, advice) in ForeignKeys.advice {
            #expect(!names.contains(key), "\(key) is a key")
            guard advice.contains("; use ") else { continue }
            let named = advice.split(separator: " ").map { $0.trimmingCharacters(in: .punctuationCharacters) }
            #expect(named.contains { known.contains($0) }, "\(advice)")
        }
    }

    @Test(arguments: [
        (#"{"training": {"eval_steps": 5}}"#, "training.eval_steps: there is nothing to evaluate on"),
        (#"{"training": {"early_stopping_patience": 5}}"#, "training.early_stopping_patience: there is nothing"),
        (#"{"training": {"load_best_model_at_end": true}}"#, "training.load_best_model_at_end: there is nothing"),
        (
            #"{"data": {"eval": "e"}, "training": {"early_stopping_patience": 5}}"#,
            "training.early_stopping_patience: it compares evaluations during training; give training.eval_steps"
        ),
        (#"{"data": {"eval": "e", "eval_split": 0.1}}"#, "data.eval_split: data.eval is given as well"),
        (#"{"data": 5}"#, "data: found 5, expected keys and values, such as train"),
        (#"[]"#, "found [], expected sections: model, lora, data, training and output"),
    ])
    func refusesWhatDoesNotGoTogether(json: String, message: String) {
        let error = #expect(throws: ConfigError.self) { try config(json) }
        #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
    }

    @Test func asksForWhatACommandNeeds() throws {
        for need in [RunConfig.Need.model, .trainingData, .outputFolder, .heldOutData] {
            let error = #expect(throws: ConfigError.self) { try config("{}", needs: [need]) }
            #expect(error?.description.hasPrefix("\(need.rawValue): missing; give ") == true)
        }
        _ = try config(
            #"{"model": {"path": "m"}, "data": {"train": "t", "eval_split": 0.1}, "output": {"dir": "o"}}"#,
            needs: [.model, .trainingData, .outputFolder, .heldOutData])
    }

    @Test func messagesNameThePlace() throws {
        let tree = try JSON(parsing: #"{"lora": {"r": -2}}"#)
        let error = #expect(throws: ConfigError.self) { try RunConfig(tree: tree, origins: ["lora.r": "x.yaml:7"]) }
        #expect(error?.description == "x.yaml:7: lora.r: found -2, expected a whole number from 1 to 65536")
        #expect(error?.exitCode == 2)
    }

    @Test func distancesOfWords() {
        let pairs = [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("r", "lr", 1)]
        for (a, b, distance) in pairs { #expect(ConfigKeys.editDistance(a, b) == distance, "\(a) \(b)") }
    }
}
