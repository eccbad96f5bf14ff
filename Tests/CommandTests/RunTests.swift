import Foundation
import JSONText
import Testing

/// Runs that work, from the command line to the files.
@Suite(.serialized) struct RunTests {
    private let tiny: TinyRun

    init() throws { tiny = try TinyRun() }

    @Test func trainsEvaluatesAndAnswers() throws {
        let training = try tiny.train("data.eval=train.jsonl", "training.eval_steps=1")
        #expect(training.exitCode == 0 && training.stdout.isEmpty, "\(training)")
        for text in ["trainable parameters: ", "ranks: 1 on ", "step 2/2, ", "held-out loss ", "adapter: run/adapter"] {
            #expect(training.stderr.contains(text), "\(text): \(training)")
        }
        let config = String(decoding: try tiny.bytes("run/config.yaml"), as: UTF8.self)
        #expect(config.contains("  learning_rate: 0.0002\n") && config.contains("  template_date: "), "\(config)")
        let events = try String(decoding: tiny.bytes("run/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
            .map { try JSON(parsing: String($0))["event"]?.string }
        #expect(events == ["started", "step", "evaluated", "step", "evaluated", "saved", "finished"])

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
}
