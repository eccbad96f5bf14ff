public import WeightFiles

/// A token with a name of its own, such as the one that ends a turn.
public struct SpecialToken: Sendable {
    public let id: Int32
    /// As the vocabulary spells it.
    public let text: String
}

/// Turns text into token ids and back, as the Hugging Face library of the same name does for byte-level BPE (GPT-2,
/// Llama-3, Qwen2, SmolLM) and SentencePiece BPE (Llama-2, Mistral, TinyLlama). May be used by several threads at once.
public struct Tokenizer: Sendable {
    let pipeline: Pipeline
    let names: TokenizerNames

    /// Reads `tokenizer.json`, and the special tokens and the chat template from `tokenizer_config.json`,
    /// `special_tokens_map.json`, `config.json` and `chat_template.jinja` where they are.
    /// - Throws: `TokenizerError` for what is missing, malformed or not supported; it names the file and the key.
    public init(folder path: String) throws {
        let folder = TokenizerFolder(path: path)
        pipeline = try TokenizerFile(path: folder.file("tokenizer.json")).pipeline()
        names = try folder.names(pipeline)
    }

    /// Reads the vocabulary of a GGUF file: `tokenizer.ggml.model` gpt2 (with a known `tokenizer.ggml.pre`) or llama.
    /// - Parameters:
    ///   - metadata: of the file.
    ///   - file: its name, for messages.
    /// - Throws: `TokenizerError` for what is missing or not supported, `WeightFileError` for values of a wrong type.
    public init(gguf metadata: GGUFMetadata, file: String) throws {
        let vocabulary = try GGUFVocabulary(metadata, file: file)
        pipeline = try vocabulary.pipeline()
        names = try vocabulary.names(pipeline)
    }

    /// The number of tokens; ids are below it.
    public var vocabularySize: Int { pipeline.model.tokens.count }

    /// The bytes that a token stands for within a text: a space for `▁`, a byte for `<0x0A>`. Empty for an id outside
    /// the vocabulary.
    public func text(of id: Int32) -> [UInt8] { pipeline.text(of: id) }

    /// The id of a token, given as the vocabulary spells it (`Ġthe`, `▁the`, `<|im_end|>`).
    public func id(of token: [UInt8]) -> Int32? { pipeline.model.tokens.id(token) }

    /// The token that begins a text.
    public var bosToken: SpecialToken? { names.bos }
    /// The token that ends a text, or a turn of a chat.
    public var eosToken: SpecialToken? { names.eos }
    /// The token for what cannot be spelt.
    public var unkToken: SpecialToken? { names.unk }
    /// The token that fills up batches elsewhere.
    public var padToken: SpecialToken? { names.pad }

    /// All added tokens that are flagged special, by id.
    public var specialTokens: [SpecialToken] {
        pipeline.added.values.filter(\.isSpecial).sorted { $0.id < $1.id }
            .map { SpecialToken(id: $0.id, text: String(decoding: $0.content, as: UTF8.self)) }
    }

    /// The model's chat template and where it was found.
    public var chatTemplateSource: (text: String, origin: String)? { names.chatTemplate }

    /// Names of the files of the folder that an adapter's folder should carry; empty for a GGUF file.
    public var filesToCopy: [String] { names.files }
}

/// What a tokenizer's configuration says beside the vocabulary.
struct TokenizerNames: Sendable {
    var bos: SpecialToken?
    var eos: SpecialToken?
    var unk: SpecialToken?
    var pad: SpecialToken?
    var chatTemplate: (text: String, origin: String)?
    var files: [String] = []
}
