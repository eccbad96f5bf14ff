import Crypto
import Foundation
import JSONText
import Testing

/// Runs that go on from a checkpoint.
@Suite(.serialized) struct ResumeTests {
    private let tiny: TinyRun
    /// Dropout, warm-up, clipping and evaluations are all at work.
    private let settings = [
        "data.train=ragged.jsonl", "data.eval=train.jsonl", "lora.r=4", "lora.lora_dropout=0.1",
        "training.max_steps=12",
        "training.warmup_steps=3", "training.max_grad_norm=0.5", "training.weight_decay=0.1",
        "training.learning_rate=0.01", "training.global_batch_size=7", "training.eval_steps=3", "training.save_steps=5",
        "data.template_date=2025-01-01", "training.load_best_model_at_end=true",
    ]

    init() throws {
        tiny = try TinyRun()
        try tiny.folder.write(TinyRun.raggedRows(25), to: "ragged.jsonl")
    }

    private func train(_ more: [String], _ arguments: String..., ranks: Int? = nil) throws -> Outcome {
        try run(
            ["train", "--config", "good.yaml"] + (settings + more).flatMap { ["--set", $0] } + arguments, ranks: ranks,
            in: tiny.path)
    }

    /// The losses, norms and evaluations of a run.
    private func numbers(_ folder: String) throws -> [String] {
        try tiny.events(folder).filter { ["step", "evaluated"].contains($0["event"]?.string) }.map { event in
            ["event", "step", "loss", "grad_norm", "learning_rate", "is_best"].map { event[$0]?.text() ?? "" }
                .joined(separator: " ")
        }
    }

    @Test(arguments: ["fp32", "bf16"]) func sameBitsOnAnyRanks(_ dtype: String) throws {
        let dtype = "model.dtype=\(dtype)"
        let straight = try train([dtype, "output.dir=straight"])
        #expect(straight.exitCode == 0, "\(straight)")
        let expected = try numbers("straight")
        #expect(expected.count == 12 + 4)
        for (first, second, threads) in [(1, 3, 1), (4, 1, 2), (2, 7, 1)] {
            let folder = "resumed-\(first)-\(second)"
            let begun = try train([dtype, "output.dir=\(folder)-first"], ranks: first)
            #expect(begun.exitCode == 0, "\(begun)")
            let resumed = try train(
                [dtype, "output.dir=\(folder)", "training.threads=\(threads)"], "--resume",
                "\(folder)-first/checkpoints/step-5", ranks: second)
            #expect(resumed.exitCode == 0, "\(resumed)")
            #expect(resumed.stderr.contains("after step 5 of 12"), "\(resumed)")
            #expect(try tiny.adapter(folder) == tiny.adapter("straight"))
            #expect(try numbers(folder) == expected)
            for name in ["moments.safetensors", "adapter_model.safetensors", "best.safetensors"] {
                let path = "checkpoints/step-12/\(name)"
                #expect(try tiny.bytes("\(folder)/\(path)") == tiny.bytes("straight/\(path)"), "\(name)")
            }
        }
    }

    @Test func goesOnByItself() throws {
        let last = "training.load_best_model_at_end=false"
        let fresh = try train([last], "--resume", "auto")
        #expect(fresh.exitCode == 0 && !fresh.stderr.contains("going on"), "\(fresh)")
        let adapter = try tiny.adapter()
        // A finished run has nothing to do, and more steps can be added.
        let done = try train([last], "--resume", "auto", ranks: 2)
        #expect(done.exitCode == 0 && done.stderr.contains("all 12 steps are done"), "\(done)")
        #expect(try tiny.adapter() == adapter)
        let longer = try train([last, "training.max_steps=14"], "--resume", "auto")
        #expect(longer.exitCode == 0 && longer.stderr.contains("after step 12 of 14"), "\(longer)")
        #expect(try tiny.adapter() != adapter)

        // The newest is broken: the one before is taken. Both are: the run begins anew, and nothing is lost.
        try tiny.spoil("run/checkpoints/step-14/moments.safetensors") { $0[$0.count / 2] ^= 1 }
        let passed = try train([last, "training.max_steps=14"], "--resume", "auto")
        #expect(
            passed.exitCode == 0 && passed.stderr.contains("step-14/moments.safetensors: is not as it was"), "\(passed)"
        )
        #expect(passed.stderr.contains("after step 12 of 14"), "\(passed)")
        #expect(FileManager.default.fileExists(atPath: "\(tiny.path)/run/checkpoints/step-14.old-1"))

        let named = try run(
            ["train", "--config", "good.yaml", "--resume", "run/checkpoints/step-14.old-1"]
                + settings.flatMap { ["--set", $0] }, in: tiny.path)
        #expect(named.exitCode == 3 && named.errors.first?.contains("SHA-256") == true, "\(named)")
    }

    @Test func changesAreRefusedByName() throws {
        #expect(try train([]).exitCode == 0)
        func refuses(_ more: [String], _ texts: String...) throws {
            for ranks in [nil, 2] as [Int?] {
                let outcome = try train(more, "--resume", "auto", ranks: ranks)
                #expect(outcome.exitCode == 2 && outcome.errors.count == 1, "\(outcome)")
                for text in texts { #expect(outcome.errors.first?.contains(text) == true, "\(text): \(outcome)") }
            }
        }
        try refuses(["lora.r=8", "training.seed=7"], "lora.r was 4 and is 8", "training.seed was 42 and is 7")
        try tiny.replace("because 0", with: "because 1", in: "ragged.jsonl")
        try refuses([], "the training data (data.train) is not what it was")
        let accepted = try train(["training.max_steps=13"], "--resume", "auto", "--accept-changes")
        #expect(accepted.exitCode == 0, "\(accepted)")

        // The same rows elsewhere are the same.
        try tiny.folder.write(Data(tiny.bytes("ragged.jsonl")), to: "moved.jsonl")
        let moved = try train(
            ["training.max_steps=15", "data.train=moved.jsonl", "training.logging_steps=3"], "--resume", "auto")
        #expect(moved.exitCode == 0, "\(moved)")

        try tiny.spoil("model/model.safetensors") { $0[$0.count - 9] ^= 1 }
        try refuses(["data.train=moved.jsonl"], "the base model (model.path) is not what it was")
    }

    /// Going on from an earlier checkpoint, or anew because none is whole: what was beyond is set aside, and what is saved from then on
    /// stays, though its numbers are lower.
    @Test func anotherBranch() throws {
        let few = ["training.save_steps=2", "training.save_total_limit=3", "training.load_best_model_at_end=false"]
        func names() throws -> Set<String> {
            Set(try FileManager.default.contentsOfDirectory(atPath: "\(tiny.path)/run/checkpoints"))
        }
        #expect(try train(few).exitCode == 0)
        #expect(try names() == ["step-8", "step-10", "step-12"])
        let old = try tiny.bytes("run/checkpoints/step-12/adapter_model.safetensors")
        let changed = few + ["training.learning_rate=0.02"]
        let branch = try train(changed, "--resume", "run/checkpoints/step-8", "--accept-changes", ranks: 2)
        #expect(branch.exitCode == 0 && branch.stderr.contains("step-12.old-1"), "\(branch)")
        #expect(try names() == ["step-8", "step-10", "step-12", "step-10.old-1", "step-12.old-1"])
        #expect(try tiny.bytes("run/checkpoints/step-12.old-1/adapter_model.safetensors") == old)
        #expect(try tiny.bytes("run/checkpoints/step-12/adapter_model.safetensors") != old)

        for name in ["step-8", "step-10", "step-12"] {
            try tiny.spoil("run/checkpoints/\(name)/state.json") { $0[$0.count / 2] ^= 1 }
        }
        try FileManager.default.removeItem(atPath: "\(tiny.path)/run/adapter")
        let anew = try train(few + ["training.max_steps=4"], "--resume", "auto")
        #expect(anew.exitCode == 0 && anew.stderr.contains("begins anew"), "\(anew)")
        let left = try names()
        #expect(Set(left.filter { !$0.contains("old") }) == Set(["step-2", "step-4"]), "\(left)")
    }

    /// The base's whole sum is compared where it is asked for, and before another checkpoint is published in any case.
    @Test func anotherSumOfTheBase() throws {
        #expect(try train(["training.max_steps=5"], "--verify-base").exitCode == 0)
        let state = try JSON(parsing: tiny.bytes("run/checkpoints/step-5/state.json"))
        let sum = try #require(state["base_sha256"]?.string)
        #expect(sum.count == 64)
        try tiny.replace(sum, with: String(repeating: "0", count: 64), in: "run/checkpoints/step-5/state.json")
        let files = try String(decoding: tiny.bytes("run/checkpoints/step-5/SHA256SUMS"), as: UTF8.self)
        let line = try #require(files.split(separator: "\n").first { $0.hasSuffix("  state.json") })
        let bytes = try tiny.bytes("run/checkpoints/step-5/state.json")
        let digest = SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        try tiny.replace(String(line), with: digest + "  state.json", in: "run/checkpoints/step-5/SHA256SUMS")

        for ranks in [nil, 2] as [Int?] {
            let refused = try train([], "--resume", "auto", "--verify-base", ranks: ranks)
            #expect(refused.exitCode == 3 && refused.errors.first?.contains("not the same model") == true, "\(refused)")
        }
        let unsaved = try train(["training.on_save_error=stop", "training.save_steps=1"], "--resume", "auto")
        #expect(unsaved.exitCode != 0 && unsaved.stderr.contains("not the same model"), "\(unsaved)")
        #expect(!FileManager.default.fileExists(atPath: "\(tiny.path)/run/checkpoints/step-12"))
        let accepted = try train([], "--resume", "auto", "--verify-base", "--accept-changes")
        #expect(accepted.exitCode == 0, "\(accepted)")
    }

    @Test func onlyTheNewestAndTheBestAreKept() throws {
        let outcome = try train([
            "training.save_steps=1", "training.save_total_limit=2", "training.eval_steps=4",
            "training.save_on_best=true",
        ])
        #expect(outcome.exitCode == 0, "\(outcome)")
        let best = try #require(
            try tiny.events(of: "evaluated").filter { $0["is_best"]?.bool == true }.last?["step"]?.int)
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(tiny.path)/run/checkpoints")
        #expect(Set(names) == Set(["step-11", "step-12", "step-\(best)"]), "\(names)")
    }

    @Test func resultsAreNotOverwritten() throws {
        #expect(try train([]).exitCode == 0)
        let before = try tiny.bytes("run/metrics.jsonl")
        for arguments in [[], ["--resume", "elsewhere/checkpoints/step-5"]] {
            let outcome = try run(
                ["train", "--config", "good.yaml"] + settings.flatMap { ["--set", $0] } + arguments, in: tiny.path)
            #expect(outcome.exitCode == (arguments.isEmpty ? 2 : 3), "\(outcome)")
        }
        let other = try train(["output.dir=other"])
        #expect(other.exitCode == 0)
        let over = try train([], "--resume", "other/checkpoints/step-5")
        #expect(over.exitCode == 2 && over.errors.first?.contains("holds the results") == true, "\(over)")
        #expect(try tiny.bytes("run/metrics.jsonl") == before)
    }

    @Test func optionsThatExcludeEachOther() throws {
        for (arguments, text) in [
            (["--resume", "auto", "--overwrite"], "exclude each other"), (["--accept-changes"], "needs --resume"),
            (["--stop-after", "soon"], "expected a time such as"), (["--stop-at", "25:00"], "expected a moment"),
        ] {
            let outcome = try run(["train", "--config", "good.yaml"] + arguments, in: tiny.path)
            #expect(outcome.exitCode == 2 && outcome.stderr.contains(text), "\(outcome)")
        }
    }
}
