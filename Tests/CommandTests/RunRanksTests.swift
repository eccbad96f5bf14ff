import Foundation
import JSONText
import Testing

@testable import Training

/// The number of ranks and threads leaves no trace in what a run learns: not one bit.
@Suite(.serialized) struct RunRanksTests {
    private let tiny: TinyRun
    /// Dropout, warm-up and clipping are all at work.
    private let settings = [
        "data.train=ragged.jsonl", "data.eval=train.jsonl", "lora.r=4", "lora.lora_dropout=0.1", "training.max_steps=8",
        "training.warmup_steps=3", "training.max_grad_norm=0.5", "training.weight_decay=0.1",
        "training.learning_rate=0.01", "training.global_batch_size=7", "training.eval_steps=3",
        "data.template_date=2025-01-01",
    ]

    init() throws {
        tiny = try TinyRun()
        try tiny.folder.write(TinyRun.raggedRows(25), to: "ragged.jsonl")
    }

    /// Trains with 1 to 4 ranks of 1 and 2 threads, and compares each with one process of one thread.
    private func expectSame(_ more: [String]) throws {
        try tiny.trains(settings + more, into: "alone")
        let adapter = try tiny.adapter("alone")
        let config = try tiny.bytes("alone/config.yaml")
        let metrics = try comparable("alone")
        let norms = try tiny.numbers("grad_norm", of: "step", "alone")
        #expect(norms.count == 8 && norms.contains { $0 > 0.5 }, "nothing is clipped: \(norms)")
        #expect(metrics.count == 8 + 3 + 1 + 2, "\(metrics)")
        for (ranks, threads) in [(nil, 2), (1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (3, 2), (4, 2)] as [(Int?, Int)] {
            let folder = "ranks\(ranks ?? 0)-threads\(threads)"
            try tiny.trains(settings + more + ["training.threads=\(threads)"], into: folder, ranks: ranks)
            let started = try #require(try tiny.events(of: "started", folder).first)
            #expect(started["ranks"]?.int == ranks ?? 1 && started["threads_per_rank"]?.int == threads)
            #expect(try tiny.adapter(folder) == adapter, "\(folder): the adapter differs")
            #expect(try comparable(folder) == metrics, "\(folder): metrics.jsonl differs")
            #expect(try !tiny.bytes("\(folder)/config.yaml").isEmpty && !config.isEmpty)
            try FileManager.default.removeItem(atPath: "\(tiny.path)/\(folder)")
        }
    }

    @Test(arguments: ["fp32", "bf16"]) func adapterAfterEightSteps(_ dtype: String) throws {
        try expectSame([
            "model.dtype=\(dtype)", "training.micro_batches_per_step=5", "training.micro_batch_tokens=256",
        ])
    }

    @Test(arguments: ["fp32", "bf16"]) func fewerMicroBatchesThanRanks(_ dtype: String) throws {
        try expectSame([
            "model.dtype=\(dtype)", "training.micro_batches_per_step=1", "training.micro_batch_tokens=4096",
        ])
    }

    /// Keeping less for the backward pass takes less memory and gives the same bits; what is chosen where nobody says it stands in
    /// the config.
    @Test(arguments: ["fp32", "bf16"]) func checkpointingChangesNothing(_ dtype: String) throws {
        let choices = ["none", "selective", "block", "auto"]
        for choice in choices {
            try tiny.trains(
                settings + ["model.dtype=\(dtype)", "training.activation_checkpointing=\(choice)"], into: choice,
                ranks: choice == "auto" ? 2 : nil)
            #expect(try tiny.adapter(choice) == tiny.adapter("none"), "\(choice)")
            #expect(try comparable(choice) == comparable("none"), "\(choice)")
        }
        let arenas = try choices.map { try tiny.events(of: "started", $0)[0]["arena_bytes"]!.int! }
        #expect(arenas[2] < arenas[1] && arenas[1] < arenas[0], "\(arenas)")
        // A tiny model fits as it is.
        #expect(arenas[3] == arenas[0], "\(arenas)")
        #expect(String(decoding: try tiny.bytes("auto/config.yaml"), as: UTF8.self).contains("_checkpointing: none\n"))
    }

    /// What is chosen by the model's shape stands in the config, and a resumed run keeps it.
    @Test func microBatchByShape() throws {
        let automatic = settings + ["training.micro_batch_tokens=auto", "training.activation_checkpointing=auto"]
        try tiny.trains(settings + ["training.micro_batch_tokens=2048"], into: "given")
        try tiny.trains(automatic + ["training.save_steps=4"], into: "run")
        #expect(try tiny.adapter() == tiny.adapter("given"))
        #expect(
            String(decoding: try tiny.bytes("run/config.yaml"), as: UTF8.self).contains("micro_batch_tokens: 2048\n"))
        for name in ["adapter", "checkpoints/step-8"] {
            try FileManager.default.removeItem(atPath: "\(tiny.path)/run/\(name)")
        }
        let outcome = try run(
            ["train", "--config", "good.yaml", "--resume", "auto"] + automatic.flatMap { ["--set", $0] }, in: tiny.path)
        #expect(outcome.exitCode == 0 && outcome.stderr.contains("after step 4 of 8"), "\(outcome)")
        #expect(try tiny.adapter() == tiny.adapter("given"))
    }

    /// Adapter and moments once for all ranks of a node, or each rank its own: the same bits, and a run goes on from the one with the
    /// other, the best adapter with it.
    @Test func placementChangesNothing() throws {
        let settings = settings + ["training.load_best_model_at_end=true", "training.loraplus_lr_ratio=4"]
        try tiny.trains(settings, into: "alone")
        for (ranks, placement) in [(1, "node_shared"), (3, "node_shared"), (4, "node_shared"), (3, "private")] {
            let folder = "\(placement)\(ranks)"
            let more = settings + ["training.state_placement=\(placement)"]
            try tiny.trains(more, into: folder, ranks: ranks)
            #expect(try tiny.adapter(folder) == tiny.adapter("alone"), "\(folder): the adapter differs")
            #expect(try comparable(folder) == comparable("alone"), "\(folder): metrics.jsonl differs")
        }
        for (first, then) in [("private", "node_shared"), ("node_shared", "private")] {
            let folder = "\(first)-\(then)"
            try tiny.trains(
                settings + ["training.state_placement=\(first)", "training.save_steps=4"], into: folder, ranks: 2)
            for name in ["adapter", "checkpoints/step-8"] {
                try FileManager.default.removeItem(atPath: "\(tiny.path)/\(folder)/\(name)")
            }
            let outcome = try run(
                ["train", "--config", "good.yaml", "--resume", "auto"]
                    + (settings + ["training.state_placement=\(then)", "output.dir=\(folder)"]).flatMap {
                        ["--set", $0]
                    },
                ranks: 3, in: tiny.path)
            #expect(outcome.exitCode == 0 && outcome.stderr.contains("after step 4 of 8"), "\(outcome)")
            #expect(try tiny.adapter(folder) == tiny.adapter("alone"), "\(folder): the adapter differs")
        }
    }

    @Test func otherSeedsAndDropoutsDiffer() throws {
        try tiny.trains(settings, into: "a")
        for (name, change) in [("b", "training.seed=43"), ("c", "lora.lora_dropout=0.2"), ("d", "lora.lora_dropout=0")]
        {
            try tiny.trains(settings + [change], into: name)
            #expect(try tiny.adapter(name) != tiny.adapter("a"), "\(change) changes nothing")
        }
    }

    @Test func evaluationToo() throws {
        try tiny.trains(settings, into: "run")
        let alone = try tiny.evaluates(["--data", "ragged.jsonl", "--adapter", "run/adapter"])
        #expect(alone["adapter"]?["loss"]?.double != alone["base"]?["loss"]?.double)
        for ranks in 1...4 {
            let shared = try tiny.evaluates(["--data", "ragged.jsonl", "--adapter", "run/adapter"], ranks: ranks)
            #expect(shared.text() == alone.text())
        }
    }

    /// Ranks of one node that have host names of their own share its cores all the same.
    @Test(.enabled(if: mayNameHosts)) func threadsOfRanksWithHostNamesOfTheirOwn() throws {
        let cores = AffinityMask.own().cores()
        let outcome = try run(
            ["train", "--config", "good.yaml", "--set", "output.dir=named", "--threads", "\(cores / 2 + 1)"], ranks: 2,
            in: tiny.path, wrapper: namingHosts)
        #expect(outcome.exitCode == 0 && outcome.stderr.contains("threads share"), "\(outcome)")
    }

    /// The lines of all events but the first, without times.
    private func comparable(_ folder: String) throws -> [String] {
        let times = ["time", "seconds", "tokens_per_second", "wait_seconds", "save_seconds", "path", "adapter_path"]
        // More threads than cores are warned of; that is all they change.
        let events = try tiny.events(folder).dropFirst().filter { event in
            !(event["message"]?.string ?? "").contains("threads share")
        }
        return events.map { event in
            JSON.object(JSONObject(event.object!.members.filter { !times.contains($0.key) })).text()
        }
    }
}
