import Foundation
import JSONText
import Testing
import Tokenizers
import WeightFiles

/// Files that are wrong or not supported are refused with the file's name and the key.
@Suite struct BrokenFileTests {
    private static let valid = #"""
        {"added_tokens": [{"id": 4, "content": "<s>", "special": true, "normalized": false}], "normalizer": null,
         "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false},
         "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
          {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
         "decoder": {"type": "Fuse"},
         "model": {"type": "BPE", "dropout": null, "unk_token": "a", "byte_fallback": false, "fuse_unk": false,
          "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3}, "merges": ["a b"]}}
        """#

    @Test func theTemplateIsValid() throws {
        let tokenizer = try load(Self.valid)
        #expect(try tokenizer.encode(Array("abbaz".utf8), addSpecialTokens: true).ids == [4, 3, 2, 1, 0, 0])
        let encoding = try tokenizer.encode(Array("<s>ab".utf8), addSpecialTokens: false)
        #expect(encoding.ids == [4, 2])
        #expect(encoding.ranges == [0..<3, 3..<5])
    }

    /// What is replaced in the valid file, by what, and what the message must say.
    private static let changes: [(String, String, String)] = [
        (#""model": {"type""#, #""modell": {"type""#, "model is missing"),
        (#""model": {"#, #""model": [], "x": {"#, "model is an array, an object was expected"),
        (#""type": "BPE""#, #""type": "Unigram""#, "model is of type Unigram; BPE is supported"),
        (#""dropout": null"#, #""dropout": 0.1"#, "model.dropout is set"),
        (#""dropout": null"#, #""continuing_subword_prefix": "@@""#, "model.continuing_subword_prefix is set"),
        (#""dropout": null"#, #""end_of_word_suffix": "</w>""#, "model.end_of_word_suffix is set"),
        (#""unk_token": "a""#, #""unk_token": "u""#, "model.unk_token is \"u\", which is not in the vocabulary"),
        (
            #""byte_fallback": false"#, #""byte_fallback": 1"#,
            "model.byte_fallback is a number, true or false was expected"
        ),
        (#"{"a": 0, "b": 1, "ab": 2, "▁": 3}"#, "[]", "model.vocab is an array, an object was expected"),
        (#"{"a": 0, "b": 1, "ab": 2, "▁": 3}"#, "{}", "model.vocab is empty"),
        (#""b": 1"#, #""b": "1""#, "model.vocab[\"b\"] is a string, a whole number was expected"),
        (#""b": 1"#, #""b": 1.5"#, "model.vocab[\"b\"] is a number, a whole number was expected"),
        (#""b": 1"#, #""b": -1"#, "model.vocab[\"b\"] is -1"),
        (#""b": 1"#, #""b": 7"#, "model.vocab[\"b\"] is 7, but 4 tokens must have the ids 0 to 3"),
        (#""b": 1"#, #""b": 2"#, "model.vocab[\"ab\"] is 2, which is also the id of \"b\""),
        (#"["a b"]"#, #"["a c"]"#, "model.merges[0] names \"c\", which is not in the vocabulary"),
        (#"["a b"]"#, #"["a b", "b a"]"#, "model.merges[1] names \"ba\", which is not in the vocabulary"),
        (#"["a b"]"#, #"["ab"]"#, "model.merges[0] is \"ab\", two tokens with one space between them were expected"),
        (#"["a b"]"#, #"["a b "]"#, "model.merges[0] is \"a b \""),
        (#"["a b"]"#, #"[["a", "b", "c"]]"#, "model.merges[0] is not an array of two strings"),
        (#"["a b"]"#, "[5]", "model.merges[0] is a number"),
        (#"["a b"]"#, #""a b""#, "model.merges is a string, an array was expected"),
        (#""id": 4, "content""#, #""id": 5, "content""#, "gives \"<s>\" the id 5, but no token has the id 4"),
        (#""id": 4, "content""#, #""id": 3, "content""#, "gives \"<s>\" the id 3, which is that of \"▁\""),
        (#""content": "<s>""#, #""content": "ab""#, "added_tokens[0] gives \"ab\" the id 4, which has the id 2"),
        (#""content": "<s>""#, #""content": """#, "added_tokens[0] has no content"),
        (#""content": "<s>""#, #""content": 4"#, "added_tokens[0].content is a number, a string was expected"),
        (
            #""normalizer": null"#, #""normalizer": {"type": "Lowercase"}"#,
            "normalizer is a normalizer of type Lowercase"
        ),
        (
            #""normalizer": null"#, #""normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}"#,
            "normalizer.normalizers[0] is a normalizer of type NFKC"
        ),
        (
            #""normalizer": null"#,
            #""normalizer": {"type": "Replace", "pattern": {"Regex": "(?<=a)b"}, "content": ""}"#,
            "normalizer.pattern.Regex cannot be used"
        ),
        (
            #""normalizer": null"#, #""normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}"#,
            "normalizer.pattern has neither a String"
        ),
        (#""type": "Metaspace""#, #""type": "Whitespace""#, "pre_tokenizer is a pre-tokenizer of type Whitespace"),
        (#""prepend_scheme": "first""#, #""prepend_scheme": "x""#, "pre_tokenizer has the prepend_scheme x"),
        (#""replacement": "▁""#, #""replacement": """#, "pre_tokenizer has an empty replacement"),
        (#""type": "TemplateProcessing""#, #""type": "BertProcessing""#, "of type BertProcessing"),
        (#""ids": [4]"#, #""ids": [5]"#, "post_processor puts the token 5, but the vocabulary ends at 4"),
        (#"{"Sequence": {"id": "A", "type_id": 0}}"#, #"{"Other": 1}"#, "post_processor.single[1] is neither"),
        (#"{"type": "Fuse"}"#, "null", "decoder is missing"),
        (#"{"type": "Fuse"}"#, #"{"type": "WordPiece"}"#, "decoder is a decoder of type WordPiece"),
        (#"{"type": "Fuse"}"#, #"{"type": "Strip", "content": " ", "start": "1"}"#, "decoder.start is a string"),
        (#"{"type": "Fuse"}"#, "{\"type\": \"Fuse\"", "line "),
    ]

    @Test(arguments: changes)
    func changesAreRefused(old: String, new: String, message: String) throws {
        let text = Self.valid.replacingOccurrences(of: old, with: new)
        #expect(text != Self.valid)
        let error = #expect(throws: TokenizerError.self) { _ = try load(text) }
        let shown = error?.description ?? ""
        #expect(shown.contains("tokenizer.json: ") && shown.contains(message), "\(shown)")
    }

    @Test func missingFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: TokenizerError.self) { _ = try Tokenizer(folder: folder.path) }
        #expect(error?.file == "\(folder.path)/tokenizer.json")
    }

    @Test func wrongConfigurationsAreRefused() throws {
        let folder = try TemporaryFolder(copying: "tekken")
        for (text, message) in [
            (#"{"eos_token": "<|none|>"}"#, "eos_token is \"<|none|>\", which is not in the vocabulary"),
            (#"{"eos_token": 5}"#, "eos_token is a number, a string was expected"),
            (#"{"chat_template": 5}"#, "chat_template is a number, an array was expected"),
            (
                #"{"chat_template": [{"name": "a", "template": "b"}]}"#,
                "chat_template has no template named \"default\""
            ),
            ("[]", "is an array, an object was expected"),
        ] {
            try folder.write("tokenizer_config.json", text)
            let error = #expect(throws: TokenizerError.self) { _ = try Tokenizer(folder: folder.path) }
            let shown = error?.description ?? ""
            #expect(shown.contains("tokenizer_config.json: ") && shown.contains(message), "\(shown)")
        }
    }

    /// What is replaced in a GGUF file by as many bytes, and what the message must say.
    @Test(arguments: [
        ("llama3", "llama-bpe", "llama-xyz", "tokenizer.ggml.pre is \"llama-xyz\"; gpt-2"),
        ("llama3", "tokenizer.ggml.pre", "tokenizer.ggml.xyz", "tokenizer.ggml.pre is missing"),
        ("llama3", "tokenizer.ggml.merges", "tokenizer.ggml.xerges", "tokenizer.ggml.merges is missing"),
        ("llama3", "tokenizer.ggml.tokens", "tokenizer.ggml.xokens", "tokenizer.ggml.tokens is missing"),
        ("llama3", "Ġ t", "Ġ\u{7}t", "tokenizer.ggml.merges["),
        ("llama3", "<|eot_id|>", "<|eot_ix|>", nil),
        ("llama3", "gpt2", "bert", "tokenizer.ggml.model is \"bert\"; gpt2 and llama are supported"),
        ("llama2", "tokenizer.ggml.scores", "tokenizer.ggml.xcores", "tokenizer.ggml.scores is missing"),
        ("llama2", "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_xxx_token", nil),
        ("llama2", "<0x00>", "<0x01>", "tokenizer.ggml.tokens[5] is the same as token 4"),
    ])
    func ggufChanges(family: String, old: String, new: String, message: String?) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(Reference.folder)/\(family).gguf"))
        let place = try #require(data.range(of: Data(old.utf8)))
        let folder = try TemporaryFolder()
        try folder.write("x.gguf", Array(data.replacingSubrange(place, new)))
        let file = "\(folder.path)/x.gguf"
        guard let message else {
            _ = try Reference.ggufTokenizer(file)
            return
        }
        let error = #expect(throws: (any Error).self) { _ = try Reference.ggufTokenizer(file) }
        let shown = error.map { "\($0)" } ?? ""
        #expect(shown.contains("\(file): ") && shown.contains(message), "\(shown)")
    }

    private func load(_ text: String) throws -> Tokenizer {
        let folder = try TemporaryFolder()
        try folder.write("tokenizer.json", text)
        return try Tokenizer(folder: folder.path)
    }
}

extension Data {
    /// A copy with the bytes of a text in place of a range.
    fileprivate func replacingSubrange(_ range: Range<Int>, _ text: String) -> Data {
        var copy = self
        copy.replaceSubrange(range, with: Data(text.utf8))
        return copy
    }
}
