import Foundation
import JSONText
import Testing
import WeightFiles

/// The real SmolLM2 file: every tensor decodes to the numbers that gguf-py reads.
struct ModelDigestTests {
    static var modelPath: String {
        let cache =
            ProcessInfo.processInfo.environment["LORA_DIST_CACHE"]
            ?? NSHomeDirectory() + "/.cache/lora-dist"
        return cache + "/SmolLM2-135M-Instruct.Q4_1.gguf"
    }

    @Test func everyTensorEqualsGGUFPy() throws {
        let file = try GGUFFile(path: Self.modelPath)
        let expected = try #require(try JSON(parsing: contents(fixture("smollm2.digests.json"))).array)
        #expect(Set(file.tensors.names) == Set(expected.compactMap { $0["name"]?.string }))
        #expect(file.tensors.tensors.count == 272)
        for entry in expected {
            let name = try #require(entry["name"]?.string)
            let tensor = try #require(file.tensors[name])
            #expect(tensor.type.name == entry["type"]?.string)
            #expect(tensor.shape == entry["shape"]?.array?.compactMap(\.int))
            #expect(digestText(floats(tensor)) == entry["digest"]?.string, "\(name)")
        }
    }

    @Test func vocabularyIsAView() throws {
        let start = ContinuousClock.now
        let metadata = try GGUFFile(path: Self.modelPath).metadata
        let elapsed = ContinuousClock.now - start
        // 1 ms in a release build; the bound leaves room for a debug build on a loaded machine.
        #expect(elapsed < .milliseconds(500))
        let tokens = try #require(try metadata.strings("tokenizer.ggml.tokens"))
        #expect(tokens.count == 49152)
        #expect(tokens[1].text == "<|im_start|>")
        #expect(try metadata.strings("tokenizer.ggml.merges")?.count == 48900)
        #expect(try metadata.ints("tokenizer.ggml.token_type")?.prefix(3) == [3, 3, 3])
        #expect(try metadata.int("llama.block_count") == 30)
        #expect(try metadata.double("llama.attention.layer_norm_rms_epsilon") == Double(Float(1e-5)))
        #expect(try metadata.bool("tokenizer.ggml.add_bos_token") == false)
        #expect(try metadata.string("general.architecture") == "llama")
    }
}
