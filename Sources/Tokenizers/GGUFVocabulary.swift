import WeightFiles

/// The vocabulary in a GGUF file's metadata.
/// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GGUFVocabulary {
    let metadata: GGUFMetadata
    let file: String
    private let kind: Kind
    let strings: GGUFStringArray
    /// By id; a `TokenType`.
    let types: [Int]

    private enum Kind {
        /// Byte-level BPE with the named way to cut words.
        case byteLevel(steps: [PreTokenizer], ignoresMerges: Bool, addsBOS: Bool)
        case sentencePiece
    }

    /// How SentencePiece and llama.cpp number the kinds of tokens.
    private enum TokenType: Int {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    init(_ metadata: GGUFMetadata, file: String) throws {
        self.metadata = metadata
        self.file = file
        let model = try metadata.required("tokenizer.ggml.model", metadata.string)
        switch model {
        case "gpt2": kind = try Self.words(metadata, file)
        case "llama": kind = .sentencePiece
        default:
            throw TokenizerError(
                file: file, reason: "tokenizer.ggml.model is \"\(model)\"; gpt2 and llama are supported")
        }
        strings = try metadata.required("tokenizer.ggml.tokens", metadata.strings)
        types =
            try metadata.ints("tokenizer.ggml.token_type")
            ?? Array(repeating: TokenType.normal.rawValue, count: strings.count)
        guard !strings.isEmpty else { throw TokenizerError(file: file, reason: "tokenizer.ggml.tokens is empty") }
        guard types.count == strings.count else {
            throw TokenizerError(
                file: file,
                reason: "tokenizer.ggml.token_type has \(types.count) elements, but there are \(strings.count) tokens")
        }
        if let wrong = types.firstIndex(where: { TokenType(rawValue: $0) == nil }) {
            throw TokenizerError(
                file: file, reason: "tokenizer.ggml.token_type[\(wrong)] is \(types[wrong]), 1 to 6 are known")
        }
    }

    /// The way to cut words that `tokenizer.ggml.pre` names.
    private static func words(_ metadata: GGUFMetadata, _ file: String) throws -> Kind {
        let key = "tokenizer.ggml.pre"
        switch try metadata.required(key, metadata.string) {
        case "gpt-2", "default":
            return .byteLevel(steps: [.words(WordSplitter(.gpt2))], ignoresMerges: false, addsBOS: false)
        case "llama-bpe", "llama3", "llama-v3":
            return .byteLevel(
                steps: [.words(WordSplitter(.llama3(digits: 3)))], ignoresMerges: true, addsBOS: true)
        case "qwen2":
            return .byteLevel(
                steps: [.words(WordSplitter(.llama3(digits: 1)))], ignoresMerges: false, addsBOS: false)
        case "smollm":
            return .byteLevel(
                steps: [.split(.scalars(.digits), .isolated, inverted: false), .words(WordSplitter(.gpt2))],
                ignoresMerges: false, addsBOS: false)
        case let name:
            throw TokenizerError(
                file: file,
                reason:
                    "\(key) is \"\(name)\"; gpt-2, default, llama-bpe, llama3, llama-v3, qwen2 and smollm are supported"
            )
        }
    }

    func pipeline() throws -> Pipeline {
        var tokens = TokenTable(capacity: strings.count)
        for (id, token) in strings.enumerated() {
            if let same = tokens.append(token) {
                throw TokenizerError(file: file, reason: "tokenizer.ggml.tokens[\(id)] is the same as token \(same)")
            }
        }
        let bos = try boundary("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", default: addsBOS)
        let eos = try boundary("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", default: false)
        switch kind {
        case .byteLevel(let steps, let ignoresMerges, _):
            let model = BPEModel(
                tokens: tokens, count: tokens.count, merges: .ranked(RankedMerges(table: try merges(tokens))),
                isByteLevel: true, byteIDs: BPEModel.byteIDs(in: tokens, isByteLevel: true), byteFallback: false,
                unknownID: nil, fusesUnknown: false, ignoresMerges: ignoresMerges)
            let isNFC = try metadata.string("tokenizer.ggml.pre") == "qwen2"
            return try pipeline(
                model: model, added: try added(tokens), normalizers: isNFC ? [.nfc] : [], preTokenizers: steps,
                decoders: [.byteLevel], prefix: bos, suffix: eos)
        case .sentencePiece: return try sentencePiece(tokens, bos, eos)
        }
    }

    private func pipeline(
        model: BPEModel, added: [AddedToken], normalizers: [Normalizer], preTokenizers: [PreTokenizer],
        decoders: [Decoder], prefix: [Int32], suffix: [Int32]
    ) throws -> Pipeline {
        do {
            return try Pipeline(
                model: model, added: added, normalizers: normalizers, preTokenizers: preTokenizers, decoders: decoders,
                prefix: prefix, suffix: suffix)
        } catch {
            throw TokenizerError(file: file, reason: error.reason)
        }
    }

    private var addsBOS: Bool {
        switch kind {
        case .byteLevel(_, _, let addsBOS): addsBOS
        case .sentencePiece: true
        }
    }

    /// The token put before or after a text, if the file says so.
    private func boundary(_ flag: String, _ key: String, default absent: Bool) throws -> [Int32] {
        guard try metadata.bool(flag) ?? absent, let token = try special(key) else { return [] }
        return [token.id]
    }

    /// - Throws: `TokenizerError` if the id is not one of the vocabulary's.
    private func special(_ key: String) throws -> SpecialToken? {
        guard let id = try metadata.int(key) else { return nil }
        guard strings.indices.contains(id) else {
            throw TokenizerError(file: file, reason: "\(key) is \(id), but there are \(strings.count) tokens")
        }
        return SpecialToken(id: Int32(id), text: String(decoding: strings[id], as: UTF8.self))
    }

    /// Tokens that are found in the text before all else: those for control, the unknown one, and the user's own.
    private func added(_ tokens: TokenTable) throws -> [AddedToken] {
        try types.enumerated().compactMap { id, type in
            switch TokenType(rawValue: type) {
            case .control, .unknown, .userDefined:
                guard String(validating: Array(strings[id]), as: UTF8.self) != nil else {
                    throw TokenizerError(file: file, reason: "tokenizer.ggml.tokens[\(id)] is not valid UTF-8")
                }
                guard strings[id].count <= AddedToken.longest else {
                    throw TokenizerError(
                        file: file,
                        reason: "tokenizer.ggml.tokens[\(id)] has \(strings[id].count) bytes; a token that is not made"
                            + " of others may have \(AddedToken.longest)")
                }
                return AddedToken(
                    id: Int32(id), content: Array(tokens.bytes(Int32(id))),
                    isSpecial: type != TokenType.userDefined.rawValue)
            default: return nil
            }
        }
    }

    private func merges(_ tokens: TokenTable) throws -> MergeTable {
        let list = try metadata.required("tokenizer.ggml.merges", metadata.strings)
        var table = MergeTable(capacity: list.count)
        var joined: [UInt8] = []
        for (rank, merge) in list.enumerated() {
            let place = { (reason: String) in
                TokenizerError(file: file, reason: "tokenizer.ggml.merges[\(rank)] \(reason)")
            }
            joined.removeAll(keepingCapacity: true)
            joined.append(contentsOf: merge)
            guard let space = joined.firstIndex(of: 0x20), joined.lastIndex(of: 0x20) == space else {
                throw place("is not two tokens with one space between them")
            }
            joined.remove(at: space)
            do throws(MergeTable.MissingToken) {
                try table.insert(joined, space, rank: rank, tokens)
            } catch {
                throw place(error.reason)
            }
        }
        return table
    }

    private func sentencePiece(_ tokens: TokenTable, _ bos: [Int32], _ eos: [Int32]) throws -> Pipeline {
        try refuseNormalization()
        let mark = Array("▁".utf8)
        let addsSpace = try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
        let unknown = try metadata.int("tokenizer.ggml.unknown_token_id") ?? types.firstIndex(of: 2)
        let model = BPEModel(
            tokens: tokens, count: tokens.count,
            merges: .scored(ScoredMerges(tokens: tokens, ranks: try ranks())), isByteLevel: false,
            byteIDs: byteIDs(tokens), byteFallback: true, unknownID: unknown.map { Int32(truncatingIfNeeded: $0) },
            fusesUnknown: true, ignoresMerges: false)
        return try pipeline(
            model: model, added: try added(tokens),
            normalizers: (addsSpace ? [.prepend(mark)] : []) + [.replace(.literal([0x20]), with: mark)],
            preTokenizers: [],
            decoders: [.replace(mark, with: [0x20]), .byteFallback, .fuse]
                + (addsSpace ? [.strip(content: [0x20], start: 1, stop: 0)] : []),
            prefix: bos, suffix: eos)
    }

    private func refuseNormalization() throws {
        if try metadata.bool("tokenizer.ggml.remove_extra_whitespaces") == true {
            throw TokenizerError(
                file: file, reason: "tokenizer.ggml.remove_extra_whitespaces is true, which is not supported")
        }
        if metadata["tokenizer.ggml.precompiled_charsmap"] != nil {
            throw TokenizerError(
                file: file, reason: "tokenizer.ggml.precompiled_charsmap is set, which is not supported")
        }
    }

    /// By byte: its token, of the kind that stands for bytes.
    private func byteIDs(_ tokens: TokenTable) -> [Int32] {
        BPEModel.byteIDs(in: tokens, isByteLevel: false).map {
            $0 >= 0 && types[Int($0)] == TokenType.byte.rawValue ? $0 : -1
        }
    }

    /// The rank of each token's score: 0 for the highest; `UInt32.max` for tokens that text is not merged into.
    private func ranks() throws -> [UInt32] {
        let scores = try metadata.required("tokenizer.ggml.scores", metadata.floats)
        guard scores.count == strings.count else {
            throw TokenizerError(
                file: file,
                reason: "tokenizer.ggml.scores has \(scores.count) elements, but there are \(strings.count) tokens")
        }
        if let wrong = scores.firstIndex(where: \.isNaN) {
            throw TokenizerError(file: file, reason: "tokenizer.ggml.scores[\(wrong)] is not a number")
        }
        let order = scores.indices.sorted { scores[$0] > scores[$1] }
        var ranks = [UInt32](repeating: .max, count: scores.count)
        var rank: UInt32 = 0
        for (position, id) in order.enumerated() {
            if position > 0, scores[order[position - 1]] != scores[id] { rank += 1 }
            let type = TokenType(rawValue: types[id])
            if type == .normal || type == .userDefined { ranks[id] = rank }
        }
        return ranks
    }

    func names(_ pipeline: Pipeline) throws -> TokenizerNames {
        var names = TokenizerNames()
        names.bos = try special("tokenizer.ggml.bos_token_id")
        names.eos = try special("tokenizer.ggml.eos_token_id")
        names.unk = try special("tokenizer.ggml.unknown_token_id")
        names.pad = try special("tokenizer.ggml.padding_token_id")
        if let template = try metadata.string("tokenizer.chat_template") {
            names.chatTemplate = (template, "\(file), tokenizer.chat_template")
        }
        return names
    }
}
