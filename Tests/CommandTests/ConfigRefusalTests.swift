import Foundation
import Testing

extension ProgramTests {
    /// What a config that cannot be followed gets: one message, code 2, at once.
    @Suite struct ConfigRefusalTests {
        private let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try folder.write(minimalConfig, to: "good.yaml")
            try folder.write(#"{"text": "a"}"#, to: "train.jsonl")
            try folder.write("GGUF", to: "model.gguf")
        }

        private func refuse(_ yaml: String, _ texts: String..., ranks: [Int?] = [nil]) throws {
            try folder.write(yaml, to: "bad.yaml")
            try expectRefusal(["train", "--config", "bad.yaml"], code: 2, texts, in: folder.path, ranks: ranks)
        }

        private func refuse(set assignment: String, _ texts: String..., ranks: [Int?] = [nil]) throws {
            try expectRefusal(
                ["train", "--config", "good.yaml", "--set", assignment], code: 2, ["--set \(assignment): "] + texts,
                in: folder.path, ranks: ranks)
        }

        @Test func unknownAndMisspeltKeys() throws {
            try refuse(
                minimalConfig + "\ntraining:\n  learning_rat: 1", "bad.yaml:8: training.learning_rat: unknown key",
                "did you mean training.learning_rate?", ranks: [nil, 2, 3])
            try refuse("modle:\n  path: x", "bad.yaml:1: modle: unknown section", "did you mean model?")
            try refuse("lora:\n  max_steps: 3", "lora.max_steps: unknown key", "training.max_steps")
            try refuse(set: "lora.zzz=1", "lora.zzz: unknown key; keys of lora are r, lora_alpha")
        }

        @Test func typesAndRanges() throws {
            try refuse(
                minimalConfig + "\ntraining:\n  learning_rate: -1",
                "bad.yaml:8: training.learning_rate: found -1, expected a number above 0", ranks: [nil, 2])
            try refuse(
                set: "training.learning_rate=fast", "training.learning_rate: found \"fast\", expected a number above 0",
                ranks: [nil, 2])
            try refuse(set: "data.shuffle=yes", "data.shuffle: found \"yes\", expected true or false")
            try refuse(set: "lora=16", "lora: found 16, expected keys and values, such as r")
            try refuse(set: "model.dtype=float16", "found \"float16\", expected auto, fp32 or bf16")
        }

        @Test func keysOfOtherTools() throws {
            try refuse(
                set: "training.per_device_train_batch_size=4", "not a key here; use training.global_batch_size",
                ranks: [nil, 2])
            try refuse(set: "training.warmup_ratio=0.03", "use training.warmup_steps")
            try refuse(set: "training.bf16=true", "use model.dtype")
            try refuse(set: "training.packing=true", "remove it")
        }

        @Test func whatIsNotAConfig() throws {
            try expectRefusal(
                ["train", "--config", "absent.yaml"], code: 2, ["absent.yaml: no such file"], in: folder.path,
                ranks: [nil, 2])
            try expectRefusal(
                ["train", "--config", "."], code: 2, ["not a file that can be read"], in: folder.path, ranks: [nil])
            try refuse("model: [1\nlora: 2", "bad.yaml:2: not YAML")
            try refuse("model:\n  path: a\n  path: b", "path: given more than once")
            try refuse("- 1", "bad.yaml:1: found [1], expected sections")
            try folder.write(Data([0x6D, 0xFF, 0xFE]), to: "bytes.yaml")
            try expectRefusal(
                ["train", "--config", "bytes.yaml"], code: 2, ["not UTF-8"], in: folder.path, ranks: [nil])
            try refuse("", "model.path: missing")
            try expectRefusal(["train"], code: 2, ["model.path: missing"], in: folder.path, ranks: [nil, 2])
        }

        @Test func whatDoesNotGoTogether() throws {
            try refuse(set: "training.eval_steps=5", "training.eval_steps: there is nothing to evaluate on")
            try refuse(set: "training.early_stopping_patience=2", "data.eval or data.eval_split")
            try refuse(set: "nonsense", "expected section.key=value")
            try refuse(set: "training..seed=1", "expected section.key=value")
            try refuse(set: "model.path=*x", "not YAML")
        }

        @Test func controlCharactersAreShownAsEscapes() throws {
            try refuse(set: #"model.dtype="\e[2J""#, #"found "\u{1B}[2J", expected auto"#)
            try expectRefusal(
                ["train", "--set", "a=\u{1B}[2J"], code: 2, [#"--set a=\u{1B}[2J: not YAML: control characters"#],
                in: folder.path, ranks: [nil])
        }
    }
}
