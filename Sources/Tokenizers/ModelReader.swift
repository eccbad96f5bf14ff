import JSONText

/// Reads the `model` of a `tokenizer.json`.
struct ModelReader {
    let part: JSONPart

    func model(isByteLevel: Bool) throws -> BPEModel {
        let type = try part.optional("type")?.string() ?? "BPE"
        guard type == "BPE" else { throw part.error("is of type \(type); BPE is supported") }
        try refuse("dropout") { $0.value.double == 0 }
        try refuse("continuing_subword_prefix") { $0.value.string?.isEmpty == true }
        try refuse("end_of_word_suffix") { $0.value.string?.isEmpty == true }
        let tokens = try vocabulary()
        return BPEModel(
            tokens: tokens, count: tokens.count, merges: .ranked(RankedMerges(table: try merges(tokens))),
            isByteLevel: isByteLevel, byteIDs: BPEModel.byteIDs(in: tokens, isByteLevel: isByteLevel),
            byteFallback: try part.flag("byte_fallback", default: false), unknownID: try unknownID(tokens),
            fusesUnknown: try part.flag("fuse_unk", default: false),
            ignoresMerges: try part.flag("ignore_merges", default: false))
    }

    private func refuse(_ key: String, unless isHarmless: (JSONPart) -> Bool) throws {
        guard let value = try part.optional(key), !isHarmless(value) else { return }
        throw value.error("is set, which is not supported")
    }

    private func unknownID(_ tokens: TokenTable) throws -> Int32? {
        guard let unknown = try part.optional("unk_token") else { return nil }
        guard let id = tokens.id(try unknown.bytes()) else {
            throw unknown.error("is \"\(try unknown.string())\", which is not in the vocabulary")
        }
        return id
    }

    /// The tokens in the order of their ids, which must be 0, 1, 2, … without holes.
    private func vocabulary() throws -> TokenTable {
        let vocab = try part.member("vocab")
        let members = try vocab.object().members
        guard !members.isEmpty else { throw vocab.error("is empty") }
        var positions = [Int32](repeating: -1, count: members.count)
        for (position, member) in members.enumerated() {
            let entry = JSONPart(file: part.file, path: "\(vocab.path)[\"\(member.key)\"]", value: member.value)
            let id = Int(try entry.id())
            guard id < members.count else {
                throw entry.error("is \(id), but \(members.count) tokens must have the ids 0 to \(members.count - 1)")
            }
            guard positions[id] < 0 else {
                throw entry.error("is \(id), which is also the id of \"\(members[Int(positions[id])].key)\"")
            }
            positions[id] = Int32(position)
        }
        var tokens = TokenTable(capacity: members.count + 512)
        for position in positions {
            let key = members[Int(position)].key
            if tokens.append(key.utf8) != nil { throw vocab.error("has the token \"\(key)\" twice") }
        }
        return tokens
    }

    private func merges(_ tokens: TokenTable) throws -> MergeTable {
        let list = try part.member("merges")
        guard case .array(let items) = list.value else {
            throw list.error("is \(list.value.kind), an array was expected")
        }
        var table = MergeTable(capacity: items.count)
        var joined: [UInt8] = []
        for (rank, item) in items.enumerated() {
            let entry = JSONPart(file: part.file, path: "\(list.path)[\(rank)]", value: item)
            let separator = try Self.split(entry, into: &joined)
            do throws(MergeTable.MissingToken) {
                try table.insert(joined, separator, rank: rank, tokens)
            } catch {
                throw entry.error(error.reason)
            }
        }
        return table
    }

    /// Puts both halves of a merge, "a b" or ["a", "b"], behind each other into `joined`.
    /// - Returns: where the second begins.
    private static func split(_ entry: JSONPart, into joined: inout [UInt8]) throws -> Int {
        joined.removeAll(keepingCapacity: true)
        switch entry.value {
        case .string(let text):
            joined.append(contentsOf: text.utf8)
            guard let space = joined.firstIndex(of: 0x20), joined.lastIndex(of: 0x20) == space else {
                throw entry.error("is \"\(text)\", two tokens with one space between them were expected")
            }
            joined.remove(at: space)
            return space
        case .array(let halves):
            guard halves.count == 2, let left = halves[0].string, let right = halves[1].string else {
                throw entry.error("is not an array of two strings")
            }
            joined.append(contentsOf: left.utf8)
            joined.append(contentsOf: right.utf8)
            return left.utf8.count
        default: throw entry.error("is \(entry.value.kind), a string or an array of two was expected")
        }
    }
}
