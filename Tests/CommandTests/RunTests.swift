import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// Runs that work, from the command line to the files.
    @Suite struct RunTests {
        private let tiny: TinyRun

        init() throws { tiny = try TinyRun() }

        @Test func trainsEvaluatesAndAnswers() throws {
            let training = try tiny.train("data.eval=train.jsonl", "training.eval_steps=1")
            #expect(training.exitCode == 0 && training.stdout.isEmpty, "\(training)")
            for text in [
                "trainable parameters: ", "ranks: 1 on ", "step 2/2, ", "held-out loss ", "adapter: run/adapter",
            ] {
                #expect(training.stderr.contains(text), "\(text): \(training)")
            }
            let config = String(decoding: try tiny.bytes("run/config.yaml"), as: UTF8.self)
            #expect(config.contains("  learning_rate: 0.0002\n") && config.contains("  template_date: "), "\(config)")
            let events = try String(decoding: tiny.bytes("run/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
                .map { try JSON(parsing: String($0))["event"]?.string }
            #expect(events == ["started", "step", "evaluated", "step", "evaluated", "saved", "saved", "finished"])

            let again = try tiny.train()
            #expect(again.exitCode == 2 && again.errors.first?.contains("--overwrite") == true, "\(again)")
            let overwriting = try run(["train", "--config", "good.yaml", "--overwrite"], in: tiny.path)
            #expect(overwriting.exitCode == 0, "\(overwriting)")

            let common = ["--config", "good.yaml", "--adapter", "run/adapter"]
            let evaluation = try run(["eval", "--data", "train.jsonl", "--json"] + common, ranks: 2, in: tiny.path)
            #expect(evaluation.exitCode == 0, "\(evaluation)")
            let losses = try JSON(parsing: evaluation.stdout)
            #expect(losses["examples"]?.int == 8 && losses["base"]?["loss"]?.double != nil, "\(evaluation)")
            #expect(losses["adapter"]?["loss"]?.double ?? 99 < losses["base"]?["loss"]?.double ?? 0, "\(evaluation)")

            let answer = try run(
                ["generate", "--prompt", "say 1", "--prompt", "say 2", "--max-new-tokens", "5", "--json"] + common,
                in: tiny.path)
            #expect(answer.exitCode == 0, "\(answer)")
            let answers = try answer.stdout.split(separator: "\n").map { try JSON(parsing: String($0)) }
            #expect(answers.count == 2 && answers.allSatisfy { 1...5 ~= $0["answer_tokens"]?.int ?? 0 }, "\(answer)")
        }

        @Test func moreRanksThanExamplesInABatch() throws {
            let outcome = try tiny.train("training.global_batch_size=1", ranks: 3)
            #expect(outcome.exitCode == 0, "\(outcome)")
            #expect(outcome.stderr.contains("2 ranks idle"), "\(outcome)")
            let alone = try tiny.train("training.global_batch_size=1", "output.dir=alone")
            #expect(alone.exitCode == 0, "\(alone)")
            let adapter = "adapter/adapter_model.safetensors"
            #expect(try tiny.bytes("run/\(adapter)") == tiny.bytes("alone/\(adapter)"))
        }

        @Test func ranksAndThreadsLeaveNoTrace() throws {
            let long = ["training.max_steps=8", "lora.lora_dropout=0.1", "training.micro_batches_per_step=5"]
            var adapters: [[UInt8]] = []
            for (ranks, threads) in [(nil, 1), (nil, 2), (2, 1), (2, 2), (3, 1), (4, 1)] as [(Int?, Int)] {
                let name = "run-\(ranks ?? 0)-\(threads)"
                let outcome = try run(
                    ["train", "--config", "good.yaml", "--threads", "\(threads)"]
                        + (long + ["output.dir=\(name)"]).flatMap { ["--set", $0] }, ranks: ranks, in: tiny.path)
                #expect(outcome.exitCode == 0, "\(outcome)")
                #expect(outcome.stderr.contains("ranks: \(ranks ?? 1) on "), "\(outcome)")
                #expect(outcome.stderr.contains("threads per rank: \(threads)\n"), "\(outcome)")
                adapters.append(try tiny.bytes("\(name)/adapter/adapter_model.safetensors"))
            }
            let start = try tiny.train("training.max_steps=7", "output.dir=other")
            #expect(start.exitCode == 0)
            #expect(try tiny.bytes("other/adapter/adapter_model.safetensors") != adapters[0])
            for adapter in adapters { #expect(adapter == adapters[0]) }
        }
    }
}
