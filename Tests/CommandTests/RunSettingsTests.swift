import Foundation
import JSONText
import Testing

/// What settings do to a run, seen in what it leaves.
@Suite(.serialized) struct RunSettingsTests {
    private let tiny: TinyRun

    init() throws { tiny = try TinyRun() }

    // MARK: Length of a run and order of rows

    @Test func epochsOrSteps() throws {
        // 8 rows, 4 a step: two steps an epoch.
        for (settings, steps, epoch) in [
            (["training.max_steps=-1", "training.num_train_epochs=2"], 4, 2.0),
            (["training.max_steps=-1", "training.num_train_epochs=1.2"], 3, 1.5),
            (["training.max_steps=5", "training.num_train_epochs=1"], 5, 2.5),
            (["training.max_steps=-1", "training.num_train_epochs=1", "training.global_batch_size=5"], 2, 1.0),
        ] {
            let folder = "run\(steps)-\(epoch)"
            try tiny.trains(settings, into: folder)
            #expect(try tiny.numbers("step", of: "step", folder) == (1...steps).map { Double($0) }, "\(settings)")
            #expect(try tiny.numbers("epoch", of: "step", folder).last == epoch, "\(settings)")
            #expect(try tiny.events(of: "finished", folder).first?["steps"]?.int == steps)
        }
    }

    @Test func shufflingIsAPermutationOfEachEpoch() throws {
        // Row i is longer than row i − 1, so that a step's tokens tell its row.
        let settings = ["training.global_batch_size=1", "training.max_steps=-1", "training.num_train_epochs=2"]
        try tiny.trains(settings + ["data.shuffle=false"], into: "plain")
        let plain = try tiny.numbers("tokens", of: "step", "plain")
        #expect(plain.count == 16 && Array(plain[..<8]) == plain[..<8].sorted() && Set(plain).count == 8)
        #expect(plain[..<8] == plain[8...])
        var orders: [[Double]] = []
        for seed in [1, 2] {
            try tiny.trains(settings + ["training.seed=\(seed)"], into: "seed\(seed)")
            let order = try tiny.numbers("tokens", of: "step", "seed\(seed)")
            orders += [Array(order[..<8]), Array(order[8...])]
        }
        for order in orders { #expect(order.sorted() == Array(plain[..<8])) }
        #expect(Set(orders).count == 4, "epochs or seeds share an order: \(orders)")
    }

    // MARK: Held-out data

    @Test func evaluationTellsWhatEvalTells() throws {
        try tiny.folder.write((8..<13).map(TinyRun.row).joined(), to: "held.jsonl")
        try tiny.trains(["data.eval=held.jsonl", "training.max_steps=5", "training.eval_steps=2"])
        #expect(try tiny.numbers("step", of: "evaluated") == [2, 4, 5])
        let last = try #require(try tiny.events(of: "evaluated").last)
        let measured = try tiny.evaluates(["--data", "held.jsonl", "--adapter", "run/adapter"])
        #expect(measured["examples"]?.int == 5)
        #expect(measured["adapter"]?["loss"]?.double == last["loss"]?.double)
        #expect(last["perplexity"]?.double == exp(last["loss"]!.double!))
    }

    @Test func splitHoldsRowsOut() throws {
        let settings = ["training.max_steps=-1", "training.num_train_epochs=1", "training.global_batch_size=1"]
        try tiny.trains(settings, into: "whole")
        let all = try tiny.numbers("tokens", of: "step", "whole").sorted()
        try tiny.trains(settings + ["data.eval_split=0.25"])
        let trained = try tiny.numbers("tokens", of: "step")
        #expect(all.count == 8 && trained.count == 6 && Set(trained).isSubset(of: all))
        let measured = try tiny.evaluates(["--set", "data.eval_split=0.25", "--adapter", "run/adapter"])
        #expect(measured["examples"]?.int == 2)
        #expect(measured["tokens"]?.double == all.reduce(0, +) - trained.reduce(0, +))
        #expect(try measured["adapter"]?["loss"]?.double == tiny.numbers("loss", of: "evaluated").last)
    }

    @Test func stopsEarlyAndKeepsTheBest() throws {
        // A learning rate that learns for some steps and then destroys what it learned.
        try tiny.folder.write((3..<6).map(TinyRun.row).joined(), to: "held.jsonl")
        let settings = [
            "data.eval=held.jsonl", "training.eval_steps=1", "training.max_steps=40", "training.learning_rate=0.1",
            "training.lr_scheduler_type=constant", "training.max_grad_norm=0",
        ]
        try tiny.trains(settings, into: "whole")
        let losses = try tiny.numbers("loss", of: "evaluated", "whole")
        #expect(losses.count == 40)
        var (best, without, stop) = (0, 0, 40)
        for (index, loss) in losses.enumerated() where stop == 40 {
            if index == 0 || loss < losses[best] { (best, without) = (index, 0) } else { without += 1 }
            if without == 3 { stop = index + 1 }
        }
        #expect(best > 0 && stop < 40, "these settings show nothing: \(losses)")

        try tiny.trains(settings + ["training.early_stopping_patience=3"], into: "last")
        try tiny.trains(
            settings + ["training.early_stopping_patience=3", "training.load_best_model_at_end=true"], into: "best")
        for folder in ["last", "best"] {
            #expect(try tiny.numbers("loss", of: "evaluated", folder) == Array(losses[..<stop]))
            let finished = try #require(try tiny.events(of: "finished", folder).first)
            #expect(finished["steps"]?.int == stop && finished["best"]?["step"]?.int == best + 1, "\(finished)")
        }
        try tiny.trains(settings + ["training.max_steps=\(best + 1)"], into: "short")
        #expect(try tiny.adapter("best") == tiny.adapter("short"))
        #expect(try tiny.adapter("last") != tiny.adapter("short"))
    }

    // MARK: The adapter

    @Test func startsFromAnAdapter() throws {
        try tiny.trains(
            ["lora.r=3", "lora.target_modules=[q_proj, down_proj]", "training.learning_rate=0.05"], into: "a")
        // `lora.r` of good.yaml would contradict the adapter's own.
        try tiny.replace("lora: {r: 2}", with: "lora: {init_adapter: a/adapter}", in: "good.yaml")
        // An evaluation's rows are in this order: products of few rows depend on it in their last bits.
        let all = ["training.global_batch_size=8", "training.max_steps=1", "data.shuffle=false"]
        try tiny.trains(all + ["training.learning_rate=1e-30"], into: "b")
        #expect(try tiny.adapter("b") == tiny.adapter("a"), "a step of no size changed the adapter")
        let measured = try tiny.evaluates(["--data", "train.jsonl", "--adapter", "a/adapter"])
        #expect(try tiny.numbers("loss", of: "step", "b") == [measured["adapter"]!["loss"]!.double!])
        #expect(measured["adapter"]!["loss"]!.double! < measured["base"]!["loss"]!.double!)
        try tiny.trains(all + ["training.learning_rate=0.01"], into: "c")
        #expect(try tiny.adapter("c") != tiny.adapter("a"))
        #expect(try tiny.adaptedModules("c") == tiny.adaptedModules("a"))
        let config = try JSON(parsing: tiny.bytes("c/adapter/adapter_config.json"))
        #expect(config["r"]?.int == 3)
    }

    @Test func rankStabilizedScaleIsAlphaOverTheRoot() throws {
        // r = 4: α / √4 is 2α / 4.
        let common = ["lora.r=4", "training.max_steps=3", "training.learning_rate=0.01"]
        try tiny.trains(common + ["lora.lora_alpha=6", "lora.use_rslora=true"], into: "a")
        try tiny.trains(common + ["lora.lora_alpha=12"], into: "b")
        try tiny.trains(common + ["lora.lora_alpha=6"], into: "c")
        #expect(try tiny.adapter("a") == tiny.adapter("b"))
        #expect(try tiny.adapter("a") != tiny.adapter("c"))
        let config = try JSON(parsing: tiny.bytes("a/adapter/adapter_config.json"))
        #expect(config["use_rslora"]?.bool == true && config["lora_alpha"]?.double == 6)
        let loss = try tiny.evaluates(["--data", "train.jsonl", "--adapter", "a/adapter"])["adapter"]?["loss"]?.double
        #expect(
            try loss == tiny.evaluates(["--data", "train.jsonl", "--adapter", "b/adapter"])["adapter"]?["loss"]?.double)
    }

    @Test(arguments: [
        ("[q_proj, v_proj]", ["0.self_attn.q_proj", "0.self_attn.v_proj", "1.self_attn.q_proj", "1.self_attn.v_proj"]),
        ("[layers.1.mlp.up_proj]", ["1.mlp.up_proj"]),
        (#"'.*\.1\.mlp\.(up|down)_proj'"#, ["1.mlp.down_proj", "1.mlp.up_proj"]),
        (
            "all-linear",
            [0, 1].flatMap { layer in
                ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj"].map { "\(layer).\($0)" }
                    + ["k", "o", "q", "v"].map { "\(layer).self_attn.\($0)_proj" }
            }
        ),
    ])
    func targets(setting: String, modules: [String]) throws {
        try tiny.trains(["lora.target_modules=\(setting)", "training.max_steps=3", "training.learning_rate=0.01"])
        #expect(try tiny.adaptedModules() == modules.map { "model.layers." + $0 })
        let losses = try tiny.evaluates(["--data", "train.jsonl", "--adapter", "run/adapter"])
        #expect(losses["adapter"]!["loss"]!.double! < losses["base"]!["loss"]!.double!)
    }
}
