/// Byte-pair encoding of one piece of text.   (Sennrich et al. 2016; with byte fallback, Kudo & Richardson 2018)
struct BPEModel: Sendable {
    enum Merges: Sendable {
        case ranked(RankedMerges)
        case scored(ScoredMerges)
    }

    /// All tokens by id; those of the model come first, then those that were added.
    var tokens: TokenTable
    /// How many of the tokens are the model's.
    let count: Int
    let merges: Merges
    /// Whether the vocabulary spells bytes in `ByteAlphabet`; else it spells text.
    let isByteLevel: Bool
    /// By byte: the token a byte begins as if `isByteLevel`, else the token `<0xXX>`; −1 if there is none.
    let byteIDs: [Int32]
    /// Whether characters that are no token become byte tokens.
    let byteFallback: Bool
    /// The token for characters that are none and have no bytes; nil if such characters are left out.
    let unknownID: Int32?
    /// Whether neighbouring unknown characters make one token.
    let fusesUnknown: Bool
    /// Whether a piece that is a token as a whole is not merged from its parts.
    let ignoresMerges: Bool

    /// The id of each byte's token in `tokens`, −1 where there is none.
    static func byteIDs(in tokens: TokenTable, isByteLevel: Bool) -> [Int32] {
        (UInt8.min...UInt8.max).map { byte in
            tokens.id(isByteLevel ? ByteAlphabet.spellings[Int(byte)] : byteTokenName(byte)) ?? -1
        }
    }

    /// The name of a byte's token in a SentencePiece vocabulary: `<0x0A>`.
    static func byteTokenName(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
    }

    /// Whether the tokens stay the same when a text is cut before each mark that follows something else: no token of
    /// several characters has one there, and the mark is a token itself. It makes long pieces into short ones.
    func neverMerges(acrossStartOf mark: [UInt8]) -> Bool {
        guard !isByteLevel, !ignoresMerges, let id = tokens.id(mark), id < count else { return false }
        return (0..<Int32(count)).allSatisfy { id in
            var rest = tokens.bytes(id)
            while rest.starts(with: mark) { rest = rest.dropFirst(mark.count) }
            return !rest.contains(mark)
        }
    }

    /// Puts the tokens of a piece of text into `scratch.symbols`.
    func encode(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout MergeScratch) {
        scratch.symbols.removeAll(keepingCapacity: true)
        if ignoresMerges, let id = wholeToken(text, piece) {
            scratch.symbols.append(Symbol(id: id, start: piece.lowerBound, end: piece.upperBound))
            return
        }
        switch merges {
        case .ranked(let rule):
            if isByteLevel { seedBytes(text, piece, &scratch.symbols) } else { seedCharacters(text, piece, &scratch) }
            scratch.merge(rule, in: text)
        case .scored(let rule):
            var position = piece.lowerBound
            while position < piece.upperBound {
                let end = position + decodeScalar(text, position).count
                let id = tokens.id(text, position..<end).flatMap { rule.ranks[Int($0)] == .max ? nil : $0 } ?? -1
                scratch.symbols.append(Symbol(id: id, start: position, end: end))
                position = end
            }
            scratch.merge(rule, in: text)
            if scratch.symbols.contains(where: { $0.id < 0 }) { fallBack(text, &scratch) }
        }
    }

    private func wholeToken(_ text: [UInt8], _ piece: Range<Int>) -> Int32? {
        let id: Int32?
        if isByteLevel {
            var spelled: [UInt8] = []
            for byte in text[piece] { spelled += ByteAlphabet.spellings[Int(byte)] }
            id = tokens.id(spelled)
        } else {
            id = tokens.id(text, piece)
        }
        return id.flatMap { $0 < count ? $0 : nil }
    }

    private func seedBytes(_ text: [UInt8], _ piece: Range<Int>, _ symbols: inout [Symbol]) {
        var seeds = UnknownSeeds(model: self)
        for position in piece {
            let id = byteIDs[Int(text[position])]
            if id >= 0 {
                if seeds.hasPending { seeds.flush(&symbols) }
                symbols.append(Symbol(id: id, start: position, end: position + 1))
            } else {
                seeds.add(position..<position + 1, &symbols)
            }
        }
        seeds.flush(&symbols)
    }

    private func seedCharacters(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout MergeScratch) {
        var seeds = UnknownSeeds(model: self)
        var position = piece.lowerBound
        while position < piece.upperBound {
            let character = position..<position + decodeScalar(text, position).count
            position = character.upperBound
            if let id = tokens.id(text, character), id < count {
                seeds.flush(&scratch.symbols)
                scratch.symbols.append(Symbol(id: id, start: character.lowerBound, end: character.upperBound))
            } else if !appendBytes(of: character, text, &scratch.symbols) {
                seeds.add(character, &scratch.symbols)
            }
        }
        seeds.flush(&scratch.symbols)
    }

    /// Appends byte tokens for a character, if the vocabulary has them all.
    private func appendBytes(of character: Range<Int>, _ text: [UInt8], _ symbols: inout [Symbol]) -> Bool {
        guard byteFallback, text[character].allSatisfy({ byteIDs[Int($0)] >= 0 }) else { return false }
        for position in character {
            symbols.append(Symbol(id: byteIDs[Int(text[position])], start: position, end: position + 1))
        }
        return true
    }

    /// Turns symbols that are no token into byte tokens or the unknown token.
    private func fallBack(_ text: [UInt8], _ scratch: inout MergeScratch) {
        var result: [Symbol] = []
        var seeds = UnknownSeeds(model: self)
        for symbol in scratch.symbols {
            if symbol.id >= 0 {
                seeds.flush(&result)
                result.append(symbol)
            } else if !appendBytes(of: symbol.start..<symbol.end, text, &result) {
                seeds.add(symbol.start..<symbol.end, &result)
            }
        }
        seeds.flush(&result)
        scratch.symbols = result
    }
}

/// Unknown characters that wait to be appended, because the next one may be fused with them.
private struct UnknownSeeds {
    let model: BPEModel
    private var pending: Range<Int>?

    init(model: BPEModel) { self.model = model }

    var hasPending: Bool { pending != nil }

    mutating func add(_ range: Range<Int>, _ symbols: inout [Symbol]) {
        guard model.unknownID != nil else { return }
        if model.fusesUnknown, let waiting = pending {
            pending = waiting.lowerBound..<range.upperBound
        } else {
            flush(&symbols)
            pending = range
        }
    }

    mutating func flush(_ symbols: inout [Symbol]) {
        guard let range = pending, let id = model.unknownID else { return }
        symbols.append(Symbol(id: id, start: range.lowerBound, end: range.upperBound))
        pending = nil
    }
}
