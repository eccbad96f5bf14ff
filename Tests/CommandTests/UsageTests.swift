import Foundation
import Testing

extension ProgramTests {
    /// The command line itself: helps, options, exit codes, who speaks.
    @Suite struct UsageTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder() }

        @Test(arguments: [
            ("", "root"), ("train", "train"), ("eval", "eval"), ("generate", "generate"), ("bench", "bench"),
            ("inspect", "inspect"), ("plan", "plan"), ("quantize", "quantize"), ("convert", "convert"),
            ("synth", "synth"),
        ])
        func help(command: String, name: String) throws {
            let words = command.isEmpty ? [] : [command]
            let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Fixtures/help-\(name).txt")
            let expected = try String(contentsOf: fixture, encoding: .utf8)
            for ranks in [nil, 2] {
                let outcome = try run(words + ["--help"], ranks: ranks)
                #expect(outcome.exitCode == 0 && outcome.stderr.isEmpty, "\(outcome)")
                #expect(outcome.stdout.replacing("\r\n", with: "\n") == expected, "ranks \(ranks ?? 0)")
                #expect(
                    outcome.stdout.split(whereSeparator: \.isNewline).allSatisfy {
                        $0.count <= 80 || $0.hasPrefix("USAGE")
                    }
                )
            }
        }

        @Test func unknownOptionsAndCommands() throws {
            try expectRefusal(["train", "--confg", "x.yaml"], code: 2, ["--confg", "--config"], in: folder.path)
            try expectRefusal(["trian"], code: 2, ["trian"], in: folder.path)
            try expectRefusal(
                ["train", "--threads", "0"], code: 2, ["--threads", "0", "from 1 to 1024"], in: folder.path)
            try expectRefusal(
                ["train", "--threads", "two"], code: 2, ["--threads", "two"], in: folder.path, ranks: [nil])
            try expectRefusal(["train", "--config"], code: 2, ["--config"], in: folder.path, ranks: [nil])
            try expectRefusal(["generate", "--model", "m"], code: 2, ["--prompt"], in: folder.path, ranks: [nil])
            try expectRefusal(
                ["generate", "--model", "m", "--prompt", "a", "--top-p", "0"], code: 2, ["--top-p", "0.0", "above 0"],
                in: folder.path, ranks: [nil])
            try expectRefusal(
                ["generate", "--model", "m", "--prompt", "a", "--temperature", "-1"], code: 2, ["--temperature"],
                in: folder.path, ranks: [nil])
        }

        @Test func oneRankAloneWithItsErrorSaysWhichItIs() throws {
            let config = try folder.write(minimalConfig, to: "good.yaml")
            try folder.write(#"{"text": "a"}"#, to: "train.jsonl")
            try folder.write("GGUF", to: "model.gguf")
            let good = ["train", "--config", config]
            let outcome = try run([], in: folder.path, perRank: [good, ["train", "--config", "absent.yaml"]])
            #expect(outcome.exitCode == 2, "\(outcome)")
            #expect(outcome.errors.count == 1, "\(outcome)")
            #expect(outcome.errors.first?.hasPrefix("Error: rank 1 on ") == true, "\(outcome)")
            #expect(outcome.errors.first?.hasSuffix(": absent.yaml: no such file") == true, "\(outcome)")
            #expect(outcome.seconds < 5, "\(outcome)")
        }
    }
}

/// A config with all that training needs.
let minimalConfig = """
    model:
      path: model.gguf
    data:
      train: train.jsonl
    output:
      dir: run
    """
