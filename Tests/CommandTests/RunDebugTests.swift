import Foundation
import JSONText
import Testing

/// `--debug`: gradients against differences of the loss, and the first output that is not a number.
@Suite(.serialized) struct RunDebugTests {
    private let tiny: TinyRun

    init() throws { tiny = try TinyRun() }

    private func debug(_ assignments: [String], ranks: Int? = nil) throws -> Outcome {
        try run(
            ["train", "--config", "good.yaml", "--debug"] + assignments.flatMap { ["--set", $0] }, ranks: ranks,
            in: tiny.path, limit: 400)
    }

    @Test func gradientsOfTheTinyModelAgree() throws {
        for ranks in [nil, 2] {
            let outcome = try debug(["output.dir=run\(ranks ?? 0)"], ranks: ranks)
            #expect(outcome.exitCode == 0, "\(outcome)")
            #expect(outcome.stderr.contains("debug: every layer's output is finite"), "\(outcome)")
            #expect(outcome.stderr.contains("debug: gradients agree with finite differences"), "\(outcome)")
            for tensor in ["0.self_attn.q_proj.lora_A", "1.mlp.down_proj.lora_B"] {
                #expect(outcome.stderr.contains("debug: model.layers.\(tensor).weight ("), "\(tensor): \(outcome)")
            }
        }
        try tiny.trains([], into: "plain")
        #expect(try tiny.adapter("run0") == tiny.adapter("plain"), "looking changed the run")
        #expect(try tiny.adapter("run2") == tiny.adapter("plain"), "looking changed the run")
    }

    @Test func gradientsOfSmolLM2Agree() throws {
        let outcome = try debug(
            [
                "model.path=\(smolLM2)", "lora.r=16", "training.max_steps=1", "training.global_batch_size=1",
                #"lora.target_modules='.*layers\.(0|29)\.(self_attn\.[qo]|mlp\.down)_proj'"#, "training.threads=2",
            ])
        #expect(outcome.exitCode == 0, "\(outcome)")
        let line = outcome.stderr.split(separator: "\n").first {
            $0.contains("gradients agree with finite differences")
        }
        #expect(line != nil, "\(outcome)")
        print("figures: \(line ?? "")")
    }

    @Test(arguments: [
        ("model.layers.0.mlp.up_proj.weight", "layer 0 "),
        ("model.layers.1.self_attn.k_proj.weight", "layer 1 "),
        ("model.layers.1.post_attention_layernorm.weight", "layer 1 "),
        ("model.embed_tokens.weight", "embedding: "),
    ])
    func namesTheFirstOutputThatIsNaN(tensor: String, place: String) throws {
        try tiny.spoil("model/model.safetensors") { bytes in
            let count = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let header = try! JSON(parsing: Array(bytes[8..<8 + count]))
            precondition(header[tensor]!["dtype"]!.string == "BF16")
            let range = header[tensor]!["data_offsets"]!.array!.map { 8 + count + $0.int! }
            for at in stride(from: range[0], to: range[1], by: 2) {
                bytes.replaceSubrange(at..<at + 2, with: [0xC0, 0x7F])
            }
        }
        let outcome = try debug([])
        #expect(outcome.exitCode == 1 && outcome.errors.count == 1, "\(outcome)")
        #expect(outcome.errors.first?.contains("the first output that is not finite is \(place)") == true, "\(outcome)")
        let plain = try run(["train", "--config", "good.yaml", "--overwrite"], in: tiny.path)
        #expect(plain.exitCode == 1 && plain.errors.first?.contains("NaN") == true, "\(plain)")
    }
}
