import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// Model folders that the program writes, and training on quantised bases.
    @Suite struct ModelCommandTests {
        private let tiny: TinyRun
        private let settings = [
            "model.dtype=fp32", "lora.target_modules=all-linear", "training.learning_rate=0.01",
            "data.template_date=2025-01-01", "training.global_batch_size=3",
        ]

        init() throws { tiny = try TinyRun() }

        private func adapter(_ model: String, _ more: String..., ranks: Int? = nil) throws -> [UInt8] {
            let folder = "run-\(UUID().uuidString.prefix(8))"
            let all = settings + more + ["model.path=\(model)", "output.dir=\(folder)"]
            // A cache of this test's own.
            let launch = try Launch(
                ["train", "--config", "good.yaml"] + all.flatMap { ["--set", $0] }, ranks: ranks, in: tiny.path,
                shell: "export LORA_DIST_CACHE=$PWD/cache")
            let outcome = try launch.end(within: 60)
            #expect(outcome.exitCode == 0, "\(outcome)")
            return try tiny.adapter(folder)
        }

        private func make(_ arguments: String...) throws {
            let outcome = try run(arguments, in: tiny.path)
            #expect(outcome.exitCode == 0 && outcome.stdout.hasPrefix("wrote "), "\(outcome)")
        }

        /// Weights that lose nothing, and the same tokenizer and template: the same bits.
        @Test(arguments: ["f32", "bf16"]) func convertedModelsTrainAlike(_ dtype: String) throws {
            try make("convert", "model.gguf", "converted", "--dtype", dtype)
            #expect(try adapter("converted") == adapter("model.gguf"))
        }

        /// The folder that `quantize` writes and the cache that training makes by itself are the same weights, on any ranks.
        @Test func quantisedModelsTrainAlike() throws {
            try make("quantize", "model", "quantised")
            let expected = try adapter("quantised")
            #expect(try expected != adapter("model"))
            for ranks in [nil, 1, 3] as [Int?] {
                try? FileManager.default.removeItem(atPath: tiny.path + "/cache")
                #expect(try adapter("model", "model.quantization=nf4", ranks: ranks) == expected, "\(ranks ?? 0)")
            }
            // A file of the cache that is cut off is made again; one that is whole is used.
            let folder = tiny.path + "/cache/nf4"
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
                .sorted()
            #expect(names.count == 2 && names[0].hasSuffix(".safetensors") && names[1] == names[0] + ".sha256")
            let file = "cache/nf4/\(names[0])"
            let sound = try tiny.bytes(file)
            try tiny.spoil(file) { $0.removeLast(100) }
            #expect(try adapter("model", "model.quantization=nf4", ranks: 2) == expected)
            #expect(try tiny.bytes(file) == sound)
            // So is one with another number in it, or whose sum is gone.
            try tiny.spoil(file) { $0[$0.count - 1000] ^= 0x55 }
            #expect(try adapter("model", "model.quantization=nf4", ranks: 3) == expected)
            #expect(try tiny.bytes(file) == sound)
            try FileManager.default.removeItem(atPath: "\(folder)/\(names[1])")
            // What was begun long ago and not finished goes.
            let old = try tiny.folder.write("", to: "\(file).other-1.partial")
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -7200)], ofItemAtPath: old)
            #expect(try adapter("model", "model.quantization=nf4") == expected)
            #expect(try tiny.bytes(file) == sound)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == names)
        }

        @Test func quantisedModelsInBF16() throws {
            try make("quantize", "model.gguf", "quantised", "--threads", "2")
            let expected = try adapter("quantised", "model.dtype=bf16")
            #expect(try adapter("quantised", "model.dtype=bf16", ranks: 2) == expected)
            #expect(try adapter("quantised", "model.dtype=bf16", "training.activation_checkpointing=block") == expected)
        }

        @Test func whatCannotBeQuantised() throws {
            try make("quantize", "model", "quantised")
            func refuses(_ arguments: [String], code: Int32, _ texts: String...) throws {
                try expectRefusal(arguments, code: code, texts, in: tiny.path, ranks: [nil])
            }
            try refuses(
                ["quantize", "quantised", "again"], code: 3, "quantised", "self_attn.q_proj is nf4", "--requantize")
            try make("quantize", "quantised", "again", "--requantize")
            try refuses(["quantize", "model", "quantised"], code: 3, "quantised", "is not empty", "config.json")
            try refuses(["quantize", "nowhere", "out"], code: 3, "nowhere", "no such file")
            try refuses(["convert", "model", "out"], code: 3, "model", "a GGUF file was expected")
            try refuses(["synth", "out", "--shape", "llama-9"], code: 2, "llama-9", "smollm2-135m")
            try tiny.refusesToTrain(
                "model.path=quantised", "model.quantization=nf4", code: 2, says: "Error: model.quantization: ",
                "quantised already")
            try tiny.refusesToTrain("model.quantization=int8", code: 2, says: "model.quantization", "none or nf4")
        }

        /// Parts of a quantised weight that are missing or do not fit are named.
        @Test func brokenQuantisedModels() throws {
            try make("quantize", "model", "quantised")
            let weight = "model.layers.0.mlp.down_proj.weight"
            let file = "quantised/model.safetensors"
            let bytes = try tiny.bytes(file)
            for (text, other, says) in [
                ("\(weight).absmax", "\(weight).absmux", "\(weight).absmax is missing"),
                ("\(weight).quant_map", "\(weight).quant_mop", "\(weight).quant_map is missing"),
                ("\"quant_type\":\"nf4\"", "\"quant_type\":\"fp4\"", "quant_type is \"fp4\", supported is \"nf4\""),
                ("\"blocksize\":64", "\"blocksize\":32", "blocksize is 32, supported is 64"),
            ] {
                var changed = bytes
                let place = try #require(Data(bytes).range(of: Data(text.utf8)))
                changed.replaceSubrange(place, with: other.utf8)
                try tiny.folder.write(Data(changed), to: file)
                try expectRefusal(
                    ["train", "--config", "good.yaml", "--set", "model.path=quantised"], code: 3, [says],
                    in: tiny.path, ranks: [nil])
            }
        }

        /// A shape of which a file has gigabytes is not written here; the least one is.
        @Test func randomModelsTrain() throws {
            try make("synth", "random", "--shape", "smollm2-135m")
            let outcome = try run(
                ["bench", "--model", "random", "--tokens", "16", "--steps", "1", "--json", "--set", "lora.r=2"],
                in: tiny.path)
            #expect(outcome.exitCode == 0, "\(outcome)")
            let json = try JSON(parsing: Array(outcome.stdout.utf8))
            #expect(json["trainable_parameters"]?.int == 610_560)
            // It has no tokenizer, which neither quantising nor planning needs.
            try make("quantize", "random", "random-nf4")
            let plan = try run(
                ["plan", "--config", "good.yaml", "--model", "random-nf4", "--gflops", "100"], in: tiny.path)
            #expect(plan.exitCode == 0 && plan.stdout.contains("no tokenizer.json"), "\(plan)")
            try expectRefusal(
                ["bench", "--shape", "smollm2-135m", "--set", "model.quantization=nf4"], code: 2,
                ["model.quantization", "lora-dist synth"], in: tiny.path, ranks: [nil])
            try changedModelsAreQuantisedAnew()
        }

        /// One of 210 linear maps of a file of 269 MB is another, and the quantised file of before is not used for it.
        private func changedModelsAreQuantisedAnew() throws {
            func quantised() throws -> Int {
                let launch = try Launch(
                    [
                        "bench", "--model", "random", "--tokens", "16", "--steps", "1", "--set", "lora.r=2", "--set",
                        "model.quantization=nf4",
                    ], ranks: nil, in: tiny.path, shell: "export LORA_DIST_CACHE=$PWD/cache")
                let outcome = try launch.end(within: 60)
                #expect(outcome.exitCode == 0, "\(outcome)")
                return try FileManager.default.contentsOfDirectory(atPath: tiny.path + "/cache/nf4")
                    .count { $0.hasSuffix(".safetensors") }
            }
            #expect(try quantised() == 1)
            #expect(try quantised() == 1)
            let file = try FileHandle(forUpdating: URL(filePath: tiny.path + "/random/model.safetensors"))
            let size = Int(try #require(try file.read(upToCount: 8)).reversed().reduce(0) { $0 << 8 | UInt64($1) })
            let header = try JSON(parsing: Array(try #require(try file.read(upToCount: size))))
            let offsets = header["model.layers.15.self_attn.k_proj.weight"]!["data_offsets"]!.array!.map { $0.int! }
            try file.seek(toOffset: UInt64(8 + size + offsets[0]))
            try file.write(contentsOf: Data(count: offsets[1] - offsets[0]))
            try file.close()
            #expect(try quantised() == 2)
        }
    }
}
