import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// What models and adapters that are broken, or lie, get: one message that names file and tensor, code 3, at once.
    @Suite struct ModelRefusalTests {
        private let tiny: TinyRun
        private let query = "model.layers.1.self_attn.q_proj.weight"

        init() throws { tiny = try TinyRun() }

        // MARK: safetensors

        @Test func truncated() throws {
            try tiny.spoil("model/model.safetensors") { $0.removeLast(100) }
            try tiny.refusesToTrain(says: "model/model.safetensors: ")
        }

        @Test func headerLength() throws {
            try tiny.spoil("model/model.safetensors") {
                $0.replaceSubrange(0..<8, with: [255, 255, 255, 255, 255, 255, 255, 127])
            }
            try tiny.refusesToTrain(says: "model/model.safetensors: ", "header")
            try tiny.spoil("model/model.safetensors") { $0 = Array($0.prefix(5)) }
            try tiny.refusesToTrain(says: "model/model.safetensors: ")
        }

        @Test func overlappingTensors() throws {
            try tiny.spoil(tensor: query, "data_offsets", "[26112, 27264]")
            try tiny.refusesToTrain(says: "model/model.safetensors: ", query, "26112, inside tensor")
        }

        @Test func tensorsOutOfRange() throws {
            try tiny.spoil(tensor: query, "data_offsets", "[29000, 30152]")
            try tiny.refusesToTrain(says: "model/model.safetensors: ", query)
        }

        @Test func wrongShape() throws {
            try tiny.spoil(tensor: "model.layers.1.mlp.up_proj.weight", "shape", "[24, 32]")
            try tiny.refusesToTrain(says: "model.layers.1.mlp.up_proj.weight", "[24, 32], expected [32, 24]")
        }

        @Test func unknownDtype() throws {
            try tiny.spoil(tensor: query, "dtype", "\"F13\"")
            try tiny.refusesToTrain(says: "model/model.safetensors: ", query, "F13")
        }

        @Test func missingTensor() throws {
            let query = query
            try tiny.spoilHeader { members in
                members[members.firstIndex { $0.key == query }!].key = query + "s"
            }
            try tiny.refusesToTrain(says: "model", query)
        }

        // MARK: GGUF

        @Test func spoiltGGUF() throws {
            let whole = try tiny.bytes("model.gguf")
            try tiny.spoil("model.gguf") { $0.removeLast(200) }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ")
            try tiny.spoil("model.gguf") { $0 = [0x47, 0x47, 0x4D, 0x4C] + whole.dropFirst(4) }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ")
            try tiny.spoil("model.gguf") { $0 = whole[..<8] + [255, 255, 255, 255, 255, 255, 255, 127] + whole[16...] }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ")
        }

        @Test func ggufTensors() throws {
            let whole = try tiny.bytes("model.gguf")
            let name = Array("blk.1.attn_q.weight".utf8)
            let place = try #require(whole.firstRange(of: name))
            // After the name: the number of dimensions (4 bytes), each dimension (8), the type (4), the offset (8).
            try tiny.spoil("model.gguf") { $0[place.upperBound + 4 + 16] = 16 }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ", "blk.1.attn_q.weight", "IQ2_XXS")
            try tiny.spoil("model.gguf") { bytes in
                bytes = whole
                bytes[place.upperBound + 4 + 16 + 4 + 3] = 1
            }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ", "blk.1.attn_q.weight")
            try tiny.spoil("model.gguf") { bytes in
                bytes = whole
                bytes[place.lowerBound] = UInt8(ascii: "x")
            }
            try tiny.refusesToTrain("model.path=model.gguf", says: "model.gguf: ", "blk.1.attn_q.weight")
        }

        // MARK: The rest of the folder

        @Test func otherArchitectures() throws {
            try tiny.replace("\"llama\"", with: "\"mamba\"", in: "model/config.json")
            try tiny.refusesToTrain(says: "model", "mamba", "llama")
        }

        @Test func brokenConfig() throws {
            try tiny.replace("\"attention_bias\": false,", with: "\"attention_bias\": fals,", in: "model/config.json")
            try tiny.refusesToTrain(says: "model/config.json", "line 5")
        }

        @Test func missingTokenizer() throws {
            try FileManager.default.removeItem(atPath: tiny.path + "/model/tokenizer.json")
            try tiny.refusesToTrain(says: "tokenizer.json")
        }

        @Test func missingChatTemplate() throws {
            try tiny.replace("\"chat_template\"", with: "\"other_template\"", in: "model/tokenizer_config.json")
            try tiny.refusesToTrain(says: "chat template", "data.chat_template")
            try expectRefusal(
                ["generate", "--model", "model", "--prompt", "a"], code: 3, ["chat template", "data.chat_template"],
                in: tiny.path)
        }

        @Test func brokenChatTemplate() throws {
            try tiny.folder.write(
                "{% for m in messages %}\n{{ m.content | frobnicate }}\n{% endfor %}", to: "broken.jinja")
            try tiny.refusesToTrain("data.chat_template=broken.jinja", says: "broken.jinja", "line 2", "frobnicate")
        }

        // MARK: Adapters

        @Test func targetsThatMatchNothing() throws {
            try tiny.refusesToTrain(
                "lora.target_modules=[query]", code: 2, says: "lora.target_modules: ", "query", "q_proj")
            try tiny.refusesToTrain(
                "lora.target_modules=.*_projection", code: 2, says: "lora.target_modules: ", "_projection")
        }

        @Test func adapterOfAnotherModel() throws {
            let adapter = TinyRun.fixtures.appendingPathComponent("biases/adapter").path
            try FileManager.default.copyItem(atPath: adapter, toPath: tiny.path + "/other")
            try expectRefusal(
                ["train", "--config", "good.yaml", "--set", "lora={init_adapter: other}"], code: 3, ["other: "],
                in: tiny.path)
            try expectRefusal(
                ["generate", "--model", "model", "--adapter", "other", "--prompt", "a"], code: 3, ["other: "],
                in: tiny.path
            )
            try expectRefusal(
                ["eval", "--model", "model", "--adapter", "other", "--data", "train.jsonl"], code: 3, ["other: "],
                in: tiny.path)
        }
    }
}
