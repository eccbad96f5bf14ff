import Foundation
import JSONText
import Testing

/// Runs on chats that begin with the same system prompt.
@Suite(.serialized) struct RunPrefixTests {
    private let tiny: TinyRun
    private let settings = [
        "data.train=prompted.jsonl", "data.eval=prompted.jsonl", "lora.r=4", "training.max_steps=4",
        "training.learning_rate=0.01", "training.global_batch_size=7", "training.eval_steps=2",
        "training.micro_batches_per_step=3", "training.micro_batch_tokens=512", "data.template_date=2025-01-01",
    ]

    /// 24 conversations of different lengths with a system prompt, and a last one without.
    init() throws {
        tiny = try TinyRun()
        let system = #"{"role": "system", "content": "Answer shortly, in the tone of a lighthouse keeper."}, "#
        let rows = TinyRun.raggedRows(25).split(separator: "\n").map(String.init).enumerated().map { index, row in
            index == 24 ? row : row.replacing(#""messages": ["#, with: #""messages": ["# + system)
        }
        try tiny.folder.write(rows.joined(separator: "\n") + "\n", to: "prompted.jsonl")
    }

    private func report(_ folder: String) throws -> [String] {
        try #require(try tiny.events(of: "started", folder).first?["data_report"]?.array).compactMap(\.string)
            .filter { $0.contains("begin with the same") }
    }

    private func losses(_ folder: String) throws -> [Double] {
        try tiny.numbers("loss", of: "step", folder) + tiny.numbers("loss", of: "evaluated", folder)
    }

    @Test(arguments: ["fp32", "bf16"]) func ranksAndThreadsLeaveNoTrace(_ dtype: String) throws {
        let all = settings + ["model.dtype=\(dtype)"]
        try tiny.trains(all, into: "alone")
        let adapter = try tiny.adapter("alone")
        #expect(try report("alone").count == 2)
        for (ranks, threads) in [(nil, 2), (2, 1), (3, 1), (4, 1), (2, 2), (4, 2)] as [(Int?, Int)] {
            let folder = "ranks\(ranks ?? 0)-threads\(threads)"
            try tiny.trains(all + ["training.threads=\(threads)"], into: folder, ranks: ranks)
            #expect(try tiny.adapter(folder) == adapter, "\(folder): the adapter differs")
            #expect(try losses(folder) == losses("alone"), "\(folder): a loss differs")
            #expect(try report(folder) == report("alone"))
        }
    }

    @Test func sameLossesAsWithoutSharing() throws {
        let all = settings + ["model.dtype=fp32"]
        try tiny.trains(all, into: "shared")
        try tiny.trains(all + ["training.share_prefix=false"], into: "plain")
        try tiny.trains(all + ["training.activation_checkpointing=block"], into: "block")
        #expect(try tiny.adapter("block") == tiny.adapter("shared"))
        #expect(try tiny.adapter("plain") != tiny.adapter("shared"), "nothing was shared")
        let (shared, plain) = (try losses("shared"), try losses("plain"))
        #expect(shared.count == 4 + 2)
        for (a, b) in zip(shared, plain) { #expect(abs(a - b) <= 1e-5 * b, "\(a) against \(b)") }
        let tokens = try ["shared", "plain"].map { try tiny.numbers("tokens", of: "step", $0) }
        #expect(tokens[0] == tokens[1], "tokens are those of the data")

        let line = try #require(try report("shared").first)
        #expect(line.hasPrefix("data.train: 24 of 25 examples begin with the same "))
        #expect(line.hasSuffix(" tokens: computed once per micro-batch"))
        #expect(try report("plain").isEmpty)
        let config = String(decoding: try tiny.bytes("plain/config.yaml"), as: UTF8.self)
        #expect(config.contains("share_prefix: false"))
    }

    /// Each example has masks of its own, so that nothing is shared in training; held-out examples have none.
    @Test func notWithDropout() throws {
        let all = settings + ["model.dtype=fp32", "lora.lora_dropout=0.1"]
        try tiny.trains(all, into: "on")
        try tiny.trains(all + ["training.share_prefix=false"], into: "off")
        #expect(try tiny.adapter("on") == tiny.adapter("off"))
        let report = try report("on")
        #expect(report.count == 2 && report[0].hasPrefix("data.train: ") && report[1].hasPrefix("data.eval: "))
        #expect(report[0].hasSuffix(" tokens: not shared, since dropout is on"))
        #expect(report[1].hasSuffix(" tokens: computed once per micro-batch"))
    }
}
