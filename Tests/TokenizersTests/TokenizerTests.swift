import Foundation
import JSONText
import Testing
import Tokenizers
import WeightFiles

/// What a tokenizer tells beside ids.
@Suite struct TokenizerTests {
    @Test func smolLM2Names() throws {
        let tokenizer = try Reference.ggufTokenizer(Reference.smolLM2)
        #expect(tokenizer.bosToken?.text == "<|im_start|>")
        #expect(tokenizer.eosToken?.text == "<|im_end|>")
        #expect(tokenizer.eosToken?.id == 2)
        #expect(tokenizer.unkToken?.id == 0)
        #expect(tokenizer.padToken?.id == 2)
        #expect(tokenizer.specialTokens.map(\.id) == Array(0...16))
        #expect(tokenizer.id(of: Array("<|im_end|>".utf8)) == 2)
        #expect(tokenizer.chatTemplateSource?.text.hasPrefix("{% for message in messages %}") == true)
        #expect(tokenizer.chatTemplateSource?.origin == "\(Reference.smolLM2), tokenizer.chat_template")
        #expect(tokenizer.filesToCopy.isEmpty)
    }

    @Test func tokensHaveTheirText() throws {
        let bytes = try Reference.tokenizer("gpt2")
        let the = try #require(bytes.id(of: Array("Ġthe".utf8)))
        #expect(bytes.text(of: the) == Array(" the".utf8))
        #expect(bytes.text(of: -1).isEmpty)
        #expect(bytes.text(of: Int32(bytes.vocabularySize)).isEmpty)
        for family in ["llama2", "metaspace", "split"] {
            let pieces = try Reference.tokenizer(family)
            let answer = try #require(pieces.id(of: Array("▁the".utf8)))
            #expect(pieces.text(of: answer) == Array(" the".utf8), "\(family)")
            #expect(pieces.id(of: Array("▁nowhere".utf8)) == nil)
        }
        let pieces = try Reference.tokenizer("llama2")
        let byte = try #require(pieces.id(of: Array("<0xE2>".utf8)))
        #expect(pieces.text(of: byte) == [0xE2])
        #expect(pieces.decode([1, byte, byte], skipSpecialTokens: true) == [0xE2, 0xE2])
        #expect(pieces.decode([-5, Int32.max], skipSpecialTokens: false).isEmpty)
    }

    @Test(arguments: ["llama2", "llama3", "tekken", "gpt2"])
    func specialTokensAreOptional(family: String) throws {
        let tokenizer = try Reference.tokenizer(family)
        let text = Array("The harbour".utf8)
        let plain = try tokenizer.encode(text, addSpecialTokens: false)
        let full = try tokenizer.encode(text[...], addSpecialTokens: true)
        let counts = ["llama2": (1, 0), "llama3": (1, 0), "tekken": (1, 1), "gpt2": (0, 0)]
        let (before, after) = try #require(counts[family])
        #expect(Array(full.ids.dropFirst(before).dropLast(after)) == plain.ids)
        #expect(full.ranges.prefix(before).allSatisfy { $0 == 0..<0 })
        #expect(full.ranges.suffix(after).allSatisfy { $0 == text.count..<text.count })
    }

    /// Without normalisation and with a token for every byte, ranges lie end to end and decoding gives the text back.
    @Test(arguments: ["llama3", "smollm"])
    func rangesCoverTheText(family: String) throws {
        let tokenizer = try Reference.tokenizer(family)
        for text in try Reference.texts("corpus") + Reference.texts("fuzz") {
            let encoding = try tokenizer.encode(text, addSpecialTokens: false)
            var end = 0
            for (id, range) in zip(encoding.ids, encoding.ranges) {
                #expect(range.lowerBound == end && !range.isEmpty, "\(shown(text))")
                #expect(tokenizer.text(of: id) == Array(text[range]), "\(shown(text))")
                end = range.upperBound
            }
            #expect(end == text.count)
            #expect(tokenizer.decode(encoding.ids, skipSpecialTokens: false) == text)
        }
    }

    @Test func manyThreadsGetTheSame() async throws {
        let tokenizer = try Reference.tokenizer("metaspace")
        let texts = try Reference.texts("corpus")
        let expected = try texts.map { try tokenizer.encode($0, addSpecialTokens: true).ids }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask { try texts.map { try tokenizer.encode($0, addSpecialTokens: true).ids } == expected }
            }
            for try await isEqual in group { #expect(isEqual) }
        }
    }

    @Test func folderNames() throws {
        let folder = try TemporaryFolder(copying: "llama3")
        try folder.write(
            "tokenizer_config.json",
            #"""
            {"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>", "special": true}, "unk_token": null,
             "pad_token": "[absent]", "chat_template": [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]}
            """#)
        try folder.write("special_tokens_map.json", #"{"pad_token": {"content": "<|end_of_text|>"}}"#)
        let tokenizer = try Tokenizer(folder: folder.path)
        #expect(tokenizer.bosToken?.text == "<|begin_of_text|>")
        #expect(tokenizer.eosToken?.id == tokenizer.id(of: Array("<|eot_id|>".utf8)))
        #expect(tokenizer.unkToken == nil)
        #expect(tokenizer.padToken?.text == "<|end_of_text|>")
        #expect(tokenizer.specialTokens.count == 5)
        #expect(tokenizer.chatTemplateSource?.text == "D")
        #expect(
            tokenizer.chatTemplateSource?.origin == "\(folder.path)/tokenizer_config.json, chat_template[1].template")
        #expect(tokenizer.filesToCopy == ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])

        try folder.write("chat_template.jinja", "{{ x }}\n")
        let other = try Tokenizer(folder: folder.path + "/")
        #expect(other.chatTemplateSource?.text == "{{ x }}\n")
        #expect(other.filesToCopy.last == "chat_template.jinja")
    }

    @Test func namesFromTheModel() throws {
        let folder = try TemporaryFolder(copying: "tekken")
        try folder.write("config.json", #"{"bos_token_id": 0, "eos_token_id": 0}"#)
        try folder.write("generation_config.json", #"{"eos_token_id": [1, 2]}"#)
        let tokenizer = try Tokenizer(folder: folder.path)
        #expect(tokenizer.bosToken?.text == "<s>")
        #expect(tokenizer.eosToken?.text == "</s>")
        #expect(tokenizer.chatTemplateSource == nil)
    }
}
