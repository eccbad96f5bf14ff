/// All steps from text to ids and back; shared by the copies of a `Tokenizer`.
final class Pipeline: Sendable {
    let model: BPEModel
    /// By id.
    let added: [Int32: AddedToken]
    let normalizers: [Normalizer]
    let preTokenizers: [PreTokenizer]
    let decoders: [Decoder]
    /// Ids put before and after a text with special tokens.
    let prefix: [Int32]
    let suffix: [Int32]
    private let rawFinder: AddedTokenFinder
    private let normalizedFinder: AddedTokenFinder
    /// What each added token that is normalized becomes by that: it is looked for, and decoded to.
    private let spellings: [Int32: [UInt8]]

    /// - Throws: `PatternEffortError` of a normalizer on an added token.
    init(
        model: BPEModel, added: [AddedToken], normalizers: [Normalizer], preTokenizers: [PreTokenizer],
        decoders: [Decoder], prefix: [Int32], suffix: [Int32]
    ) throws(PatternEffortError) {
        self.model = model
        self.added = Dictionary(added.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
        self.normalizers = normalizers
        let mark = Array("▁".utf8)
        self.preTokenizers = preTokenizers + (model.neverMerges(acrossStartOf: mark) ? [.beforeMarks(mark)] : [])
        self.decoders = decoders
        self.prefix = prefix
        self.suffix = suffix
        let raw = added.filter { !$0.isNormalized }
        rawFinder = AddedTokenFinder(raw, spellings: raw.map(\.content))
        let normalized = added.filter(\.isNormalized)
        var spelt: [[UInt8]] = []
        for token in normalized {
            spelt.append(try Self.normalized(AlignedText(original: token.content), normalizers).bytes)
        }
        normalizedFinder = AddedTokenFinder(normalized, spellings: spelt)
        spellings = Dictionary(zip(normalized.map(\.id), spelt), uniquingKeysWith: { _, last in last })
    }

    private static func normalized(
        _ text: AlignedText, _ steps: [Normalizer]
    ) throws(PatternEffortError) -> AlignedText {
        var text = text
        for step in steps { text = try step.apply(text) }
        return text
    }

    func encode(_ text: [UInt8], addSpecialTokens: Bool) throws(PatternEffortError) -> Tokenizer.Encoding {
        var encoding = Tokenizer.Encoding()
        encoding.ids.reserveCapacity(text.count / 3 + 8)
        encoding.ranges.reserveCapacity(text.count / 3 + 8)
        if addSpecialTokens { for id in prefix { encoding.append(id, 0..<0) } }
        let original = AlignedText(original: text)
        var scratch = MergeScratch()
        for part in rawFinder.split(text, 0..<text.count) {
            if let id = part.id {
                encoding.append(id, part.range)
            } else {
                try encodeStretch(original, part.range, &scratch, into: &encoding)
            }
        }
        if addSpecialTokens { for id in suffix { encoding.append(id, text.count..<text.count) } }
        return encoding
    }

    /// Encodes a stretch of the original text between added tokens that are not normalized.
    private func encodeStretch(
        _ original: AlignedText, _ range: Range<Int>, _ scratch: inout MergeScratch,
        into encoding: inout Tokenizer.Encoding
    ) throws(PatternEffortError) {
        var text = original
        var range = range
        if !normalizers.isEmpty {
            var slice = AlignedText(capacity: range.count)
            slice.append(original, range)
            text = try Self.normalized(slice, normalizers)
            range = 0..<text.count
        }
        guard !normalizedFinder.isEmpty else { return try encodePart(text, range, &scratch, into: &encoding) }
        for part in normalizedFinder.split(text.bytes, range) {
            if let id = part.id {
                encoding.append(id, text.original(part.range))
            } else {
                try encodePart(text, part.range, &scratch, into: &encoding)
            }
        }
    }

    private func encodePart(
        _ text: AlignedText, _ range: Range<Int>, _ scratch: inout MergeScratch,
        into encoding: inout Tokenizer.Encoding
    ) throws(PatternEffortError) {
        guard !range.isEmpty else { return }
        var text = text
        var pieces = [range]
        for step in preTokenizers { try step.apply(&text, &pieces) }
        let bytes = text.bytes
        for piece in pieces {
            model.encode(bytes, piece, &scratch)
            for symbol in scratch.symbols { encoding.append(symbol.id, text.original(symbol.start..<symbol.end)) }
        }
    }

    func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> [UInt8] {
        let kept = ids.filter { id in
            id >= 0 && id < model.tokens.count && !(skipSpecialTokens && added[id]?.isSpecial == true)
        }
        return Array(decode(kept, decoders).joined())
    }

    func text(of id: Int32) -> [UInt8] {
        guard id >= 0, id < model.tokens.count else { return [] }
        let steps = decoders.compactMap { step -> Decoder? in
            switch step {
            case .strip: nil
            case .metaspace(let replacement, _): Decoder.metaspace(replacement: replacement, dropsFirst: false)
            default: step
            }
        }
        return Array(decode([id], steps).joined())
    }

    private func decode(_ ids: [Int32], _ steps: [Decoder]) -> [[UInt8]] {
        let tokens = ids.map { spellings[$0] ?? Array(model.tokens.bytes($0)) }
        if case .byteLevel? = steps.first {
            // Added tokens are not in the byte alphabet: they stand for what they spell.
            return zip(ids, tokens).map { added[$0] == nil ? ByteAlphabet.decode($1) ?? $1 : $1 }
        }
        return steps.reduce(tokens) { $1.apply($0) }
    }
}

extension Tokenizer {
    /// The tokens of a text.
    public struct Encoding: Sendable {
        public var ids: [Int32] = []
        /// For each token, the bytes of the input text that it covers. A token of one byte of a character covers just
        /// that byte. Where normalisation joined characters, each token of them covers them all; a space put before
        /// the text covers its first character. Tokens that are not from the text have an empty range at its start or
        /// its end.
        public var ranges: [Range<Int>] = []

        @inline(__always) mutating func append(_ id: Int32, _ range: Range<Int>) {
            ids.append(id)
            ranges.append(range)
        }
    }

    /// Encodes a text.
    /// - Parameters:
    ///   - text: UTF-8.
    ///   - addSpecialTokens: whether to put what the tokenizer puts around a text, such as the token that begins it.
    ///     Special tokens that the text spells out are found in any case.
    /// - Returns: ids and ranges.
    /// - Throws: `TokenizerError` if the text is not valid UTF-8, is 2³¹ bytes or longer, or if one of the tokenizer's
    ///   regular expressions takes too many steps on it.
    public func encode(_ text: [UInt8], addSpecialTokens: Bool) throws -> Encoding {
        guard text.count < Int(Int32.max) else {
            throw TokenizerError(file: nil, reason: "the text has \(text.count) bytes, fewer than 2³¹ were expected")
        }
        try checkUTF8(text)
        do {
            return try pipeline.encode(text, addSpecialTokens: addSpecialTokens)
        } catch {
            throw TokenizerError(file: nil, reason: error.reason)
        }
    }

    /// Encodes a text given as any collection of bytes.
    /// - Throws: `TokenizerError` as the method for arrays does.
    public func encode(_ text: some Collection<UInt8>, addSpecialTokens: Bool) throws -> Encoding {
        try encode(Array(text), addSpecialTokens: addSpecialTokens)
    }

    /// The text of tokens. Ids outside the vocabulary are left out. The bytes may end within a character.
    public func decode(_ ids: [Int32], skipSpecialTokens: Bool) -> [UInt8] {
        pipeline.decode(ids, skipSpecialTokens: skipSpecialTokens)
    }
}
