import Foundation
import JSONText
import Testing
import Training

@Suite struct MetricsFileTests {
    @Test func oneLinePerEventAfterThoseThatAreThere() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).jsonl").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let best = EvaluationRecord(step: 2, loss: 1, perplexity: 2.5, isBest: true)
        let events: [TrainingEvent] = [
            .started(
                RunSummary(
                    ranks: 2, hosts: ["a", "b"], threadsPerRank: 3, model: "m", trainableParameters: 4,
                    totalParameters: 5, allReduceBytesPerStep: 6, arenaBytes: 7, totalSteps: 8,
                    dataReport: ["one\nline"])),
            .step(
                StepRecord(
                    step: 1, totalSteps: 8, epoch: 0.5, loss: .nan, learningRate: 1e-4, gradNorm: 2, tokens: 3,
                    trainedTokens: 4, seconds: 5, tokensPerSecond: 6, waitSeconds: 7, saveSeconds: 0.5)),
            .evaluated(best), .saved(path: "run/adapter"), .warning("é"),
            .resumed(path: "c", step: 1, totalSteps: 8), .stopped(step: 2, path: nil),
            .finished(FinishSummary(steps: 8, seconds: 9, tokens: 10, lastLoss: 11, best: best, adapterPath: "p")),
        ]
        for event in events { try MetricsFile(path: path, now: { 12.34567 }).write(event) }
        let expected = """
            {"event": "started", "time": 12.346, "ranks": 2, "hosts": ["a", "b"], "threads_per_rank": 3, "model": "m", \
            "trainable_parameters": 4, "total_parameters": 5, "all_reduce_bytes_per_step": 6, "arena_bytes": 7, \
            "total_steps": 8, "data_report": ["one\\nline"]}
            {"event": "step", "time": 12.346, "step": 1, "total_steps": 8, "epoch": 0.5, "loss": null, \
            "learning_rate": 0.0001, "grad_norm": 2.0, "tokens": 3, "trained_tokens": 4, "seconds": 5.0, \
            "tokens_per_second": 6.0, "wait_seconds": 7.0, "save_seconds": 0.5}
            {"event": "evaluated", "time": 12.346, "step": 2, "loss": 1.0, "perplexity": 2.5, "is_best": true}
            {"event": "saved", "time": 12.346, "path": "run/adapter"}
            {"event": "warning", "time": 12.346, "message": "é"}
            {"event": "resumed", "time": 12.346, "path": "c", "step": 1, "total_steps": 8}
            {"event": "stopped", "time": 12.346, "step": 2, "path": null}
            {"event": "finished", "time": 12.346, "steps": 8, "seconds": 9.0, "tokens": 10, "last_loss": 11.0, \
            "best": {"step": 2, "loss": 1.0, "perplexity": 2.5, "is_best": true}, "adapter_path": "p"}

            """
        #expect(try String(contentsOfFile: path, encoding: .utf8) == expected)
    }

    @Test func namesAFileThatCannotBeMade() {
        let error = #expect(throws: InputError.self) { try MetricsFile(path: "/dev/null/metrics.jsonl") }
        #expect(error?.description == "/dev/null/metrics.jsonl: the file cannot be made" && error?.exitCode == 3)
    }
}
