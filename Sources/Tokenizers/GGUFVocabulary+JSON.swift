public import JSONText
public import WeightFiles

/// The vocabulary of a GGUF file as the files that Hugging Face's tokenizers are kept in.
extension GGUFVocabulary {
    /// The content of `tokenizer.json`: the same ids for every text.
    /// - Throws: `TokenizerError` for tokens that are no text.
    func tokenizerJSON(_ pipeline: Pipeline) throws -> JSON {
        let isByteLevel = try metadata.string("tokenizer.ggml.model") == "gpt2"
        let texts = try strings.enumerated().map { id, token in
            guard let text = String(validating: Array(token), as: UTF8.self) else {
                throw TokenizerError(file: file, reason: "tokenizer.ggml.tokens[\(id)] is not valid UTF-8")
            }
            return text
        }
        let merges = try isByteLevel ? textMerges() : scoredMerges(texts)
        let unknown = try metadata.int("tokenizer.ggml.unknown_token_id") ?? types.firstIndex(of: 2)
        let model: [(key: String, value: JSON)] = [
            ("type", .string("BPE")), ("dropout", .null),
            ("unk_token", isByteLevel ? .null : unknown.map { .string(texts[$0]) } ?? .null),
            ("continuing_subword_prefix", .null), ("end_of_word_suffix", .null), ("fuse_unk", .bool(!isByteLevel)),
            ("byte_fallback", .bool(!isByteLevel)), ("ignore_merges", .bool(pipeline.model.ignoresMerges)),
            ("vocab", .object(JSONObject(texts.enumerated().map { ($1, .integer(Int64($0))) }))),
            ("merges", .array(merges)),
        ]
        let (normalizer, preTokenizer, decoder) = try isByteLevel ? byteLevelSteps() : sentencePieceSteps()
        return object([
            ("version", .string("1.0")), ("truncation", .null), ("padding", .null),
            ("added_tokens", .array(addedTokens(pipeline))), ("normalizer", normalizer),
            ("pre_tokenizer", preTokenizer), ("post_processor", postProcessor(pipeline, texts)), ("decoder", decoder),
            ("model", object(model)),
        ])
    }

    /// The content of `tokenizer_config.json`.
    static func configJSON(_ names: TokenizerNames) -> JSON {
        func token(_ token: SpecialToken?) -> JSON { token.map { .string($0.text) } ?? .null }
        return object([
            ("bos_token", token(names.bos)), ("eos_token", token(names.eos)), ("unk_token", token(names.unk)),
            ("pad_token", token(names.pad ?? names.eos)),
            ("chat_template", names.chatTemplate.map { .string($0.text) } ?? .null),
            ("tokenizer_class", .string("PreTrainedTokenizerFast")), ("clean_up_tokenization_spaces", .bool(false)),
        ])
    }

    private func addedTokens(_ pipeline: Pipeline) -> [JSON] {
        pipeline.added.values.sorted { $0.id < $1.id }.map { token in
            Self.object([
                ("id", .integer(Int64(token.id))), ("content", .string(String(decoding: token.content, as: UTF8.self))),
                ("single_word", .bool(false)), ("lstrip", .bool(false)), ("rstrip", .bool(false)),
                ("normalized", .bool(false)), ("special", .bool(token.isSpecial)),
            ])
        }
    }

    /// Merges as pairs of texts, by rank.
    private func textMerges() throws -> [JSON] {
        try metadata.required("tokenizer.ggml.merges", metadata.strings).map { merge in
            .array(String(decoding: merge, as: UTF8.self).split(separator: " ").map { .string(String($0)) })
        }
    }

    /// The merges that the scores of a SentencePiece vocabulary stand for: every way to cut a token into two others, those of higher
    /// scores first. (As Transformers converts such a vocabulary.)
    private func scoredMerges(_ texts: [String]) throws -> [JSON] {
        let scores = try metadata.required("tokenizer.ggml.scores", metadata.floats)
        let ids = Dictionary(texts.enumerated().map { (Array($1.utf8), $0) }, uniquingKeysWith: { first, _ in first })
        var found: [(left: Int, right: Int, token: Int)] = []
        for (id, text) in texts.enumerated() where types[id] == 1 || types[id] == 4 {
            var cuts: [(Int, Int, Int)] = []
            var left: [UInt8] = []
            var right = Array(text.utf8)[...]
            for scalar in text.unicodeScalars.dropLast() {
                let length = String(scalar).utf8.count
                left += right.prefix(length)
                right = right.dropFirst(length)
                if let a = ids[left], let b = ids[Array(right)] { cuts.append((a, b, id)) }
            }
            found += cuts.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        }
        let order = found.indices.sorted {
            let (a, b) = (scores[found[$0].token], scores[found[$1].token])
            return a == b ? $0 < $1 : a > b
        }
        return order.map { .array([.string(texts[found[$0].left]), .string(texts[found[$0].right])]) }
    }

    private func byteLevelSteps() throws -> (normalizer: JSON, preTokenizer: JSON, decoder: JSON) {
        func byteLevel(usesRegex: Bool) -> JSON {
            object([
                ("type", .string("ByteLevel")), ("add_prefix_space", .bool(false)), ("trim_offsets", .bool(true)),
                ("use_regex", .bool(usesRegex)),
            ])
        }
        func sequence(_ first: JSON, _ last: JSON) -> JSON {
            object([("type", .string("Sequence")), ("pretokenizers", .array([first, last]))])
        }
        func split(_ style: WordSplitter.Style) -> JSON {
            object([
                ("type", .string("Split")), ("pattern", object([("Regex", .string(WordSplitter.source(of: style)))])),
                ("behavior", .string("Isolated")), ("invert", .bool(false)),
            ])
        }
        let decoder = byteLevel(usesRegex: true)
        switch try metadata.required("tokenizer.ggml.pre", metadata.string) {
        case "llama-bpe", "llama3", "llama-v3":
            return (.null, sequence(split(.llama3(digits: 3)), byteLevel(usesRegex: false)), decoder)
        case "qwen2":
            return (
                object([("type", .string("NFC"))]),
                sequence(split(.llama3(digits: 1)), byteLevel(usesRegex: false)), decoder
            )
        case "smollm":
            let digits = object([("type", .string("Digits")), ("individual_digits", .bool(true))])
            return (.null, sequence(digits, byteLevel(usesRegex: true)), decoder)
        default: return (.null, byteLevel(usesRegex: true), decoder)
        }
    }

    private func sentencePieceSteps() throws -> (normalizer: JSON, preTokenizer: JSON, decoder: JSON) {
        let addsSpace = try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
        func replace(_ from: String, _ to: String) -> JSON {
            object([
                ("type", .string("Replace")), ("pattern", object([("String", .string(from))])),
                ("content", .string(to)),
            ])
        }
        let prepend = object([("type", .string("Prepend")), ("prepend", .string("▁"))])
        let strip = object([
            ("type", .string("Strip")), ("content", .string(" ")), ("start", .integer(1)), ("stop", .integer(0)),
        ])
        let normalizers = (addsSpace ? [prepend] : []) + [replace(" ", "▁")]
        let decoders =
            [replace("▁", " "), object([("type", .string("ByteFallback"))]), object([("type", .string("Fuse"))])]
            + (addsSpace ? [strip] : [])
        return (
            object([("type", .string("Sequence")), ("normalizers", .array(normalizers))]), .null,
            object([("type", .string("Sequence")), ("decoders", .array(decoders))])
        )
    }

    /// Puts the tokens before and after a text that the file asks for.
    private func postProcessor(_ pipeline: Pipeline, _ texts: [String]) -> JSON {
        guard !pipeline.prefix.isEmpty || !pipeline.suffix.isEmpty else { return .null }
        func special(_ id: Int32) -> JSON {
            object([("SpecialToken", object([("id", .string(texts[Int(id)])), ("type_id", .integer(0))]))])
        }
        func text(_ name: String, _ type: Int64) -> [JSON] {
            pipeline.prefix.map(special) + [
                object([("Sequence", object([("id", .string(name)), ("type_id", .integer(type))]))])
            ] + pipeline.suffix.map(special)
        }
        let tokens = Set(pipeline.prefix + pipeline.suffix).sorted().map { id in
            let name = texts[Int(id)]
            return (
                key: name,
                value: object([
                    ("id", .string(name)), ("ids", .array([.integer(Int64(id))])), ("tokens", .array([.string(name)])),
                ])
            )
        }
        return object([
            ("type", .string("TemplateProcessing")), ("single", .array(text("A", 0))),
            ("pair", .array(text("A", 0) + text("B", 1))), ("special_tokens", object(tokens)),
        ])
    }

    private func object(_ members: [(key: String, value: JSON)]) -> JSON { Self.object(members) }
    private static func object(_ members: [(key: String, value: JSON)]) -> JSON { .object(JSONObject(members)) }
}

extension Tokenizer {
    /// The files of a Hugging Face tokenizer that is equal to that of a GGUF file.
    /// - Parameters:
    ///   - metadata: of the file.
    ///   - file: its name, for messages.
    /// - Returns: names and contents.
    /// - Throws: as `init(gguf:file:)`, and `TokenizerError` for tokens that are no text.
    public static func files(
        gguf metadata: GGUFMetadata, file: String
    ) throws -> [(name: String, content: JSON)] {
        let vocabulary = try GGUFVocabulary(metadata, file: file)
        let pipeline = try vocabulary.pipeline()
        return [
            ("tokenizer.json", try vocabulary.tokenizerJSON(pipeline)),
            ("tokenizer_config.json", GGUFVocabulary.configJSON(try vocabulary.names(pipeline))),
        ]
    }
}
