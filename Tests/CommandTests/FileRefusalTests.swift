import Foundation
import Testing

extension ProgramTests {
    /// What files that are not there, or not what they should be, get: one message, code 3, at once.
    @Suite struct FileRefusalTests {
        private let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try folder.write(minimalConfig, to: "good.yaml")
            try folder.write(#"{"text": "a"}"#, to: "train.jsonl")
            try folder.write("GGUF", to: "model.gguf")
        }

        private func refuse(_ assignments: String..., code: Int32 = 3, says texts: [String], ranks: [Int?] = [nil])
            throws
        {
            try expectRefusal(
                ["train", "--config", "good.yaml"] + assignments.flatMap { ["--set", $0] }, code: code, texts,
                in: folder.path, ranks: ranks)
        }

        @Test func missingFiles() throws {
            try refuse("model.path=absent.gguf", says: ["absent.gguf: no such file or folder"], ranks: [nil, 2])
            try refuse("data.train=absent.jsonl", says: ["absent.jsonl: no such file (data.train)"], ranks: [nil, 2])
            try refuse("data.train=[train.jsonl, absent.jsonl]", says: ["absent.jsonl: no such file (data.train)"])
            try refuse("data.eval=absent.jsonl", says: ["absent.jsonl: no such file (data.eval)"])
            try refuse("data.chat_template=absent.jinja", says: ["absent.jinja: no such file (data.chat_template)"])
            try refuse("lora.init_adapter=absent", says: ["absent: no such folder"])
            try refuse("lora.init_adapter=.", says: ["no adapter_config.json"])
            try refuse("model.path=.", says: ["no config.json in this folder"])
            try refuse("data.train=.", says: ["a folder, expected a JSONL file"])
        }

        @Test func emptyData() throws {
            try folder.write("", to: "empty.jsonl")
            try refuse(
                "data.train=empty.jsonl", says: ["empty.jsonl: the file is empty (data.train)"], ranks: [nil, 2])
        }

        @Test func outputThatCannotBeWritten() throws {
            try refuse("output.dir=train.jsonl/run", says: ["train.jsonl is a file"], ranks: [nil, 2])
            try refuse("output.dir=/proc/run", says: ["/proc/run", "cannot be written"])
        }

        @Test func resultsAreNotOverwritten() throws {
            try folder.write("{}", to: "done/adapter/adapter_config.json")
            try refuse(
                "output.dir=done", code: 2, says: ["done holds the results of a run (adapter)", "--overwrite"],
                ranks: [nil, 2])
        }

        @Test func prompts() throws {
            func refuse(_ file: String, _ texts: String...) throws {
                try expectRefusal(
                    ["generate", "--model", "model.gguf", "--prompts", file], code: 3, texts, in: folder.path,
                    ranks: [nil])
            }
            try refuse("absent.jsonl", "absent.jsonl: no such file")
            try folder.write("\"a\"\n{\"prompt\": tru}\n", to: "malformed.jsonl")
            try refuse("malformed.jsonl", "malformed.jsonl:2: column 12")
            try folder.write("\n", to: "blank.jsonl")
            try refuse("blank.jsonl", "there is no prompt")
            try folder.write("[{\"content\": \"a\"}]\n", to: "roleless.jsonl")
            try refuse("roleless.jsonl", "roleless.jsonl:1: message 1 has no role")
        }
    }
}
