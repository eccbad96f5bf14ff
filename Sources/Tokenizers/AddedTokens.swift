/// A token that is found in the text before anything else is done with it.
struct AddedToken: Sendable {
    /// The most bytes of one: each place of a text is compared with them.
    static let longest = 1024

    let id: Int32
    let content: [UInt8]
    /// Left out when decoding without special tokens.
    var isSpecial = false
    /// Takes the white space before and after it with it.
    var stripsLeft = false
    var stripsRight = false
    /// Found only where no letter or digit touches it.
    var isSingleWord = false
    /// Looked for in the text after its normalisation.
    var isNormalized = false
}

/// Finds added tokens in a text: the leftmost, and of those the longest.
struct AddedTokenFinder: Sendable {
    private let tokens: [AddedToken]
    private var nodes: [Node] = [Node(byte: 0)]
    private var isFirst = [Bool](repeating: false, count: 256)

    /// A node of a trie; children are a linked list.
    private struct Node {
        let byte: UInt8
        var child: Int32 = -1
        var sibling: Int32 = -1
        /// The token that ends here, as an index of `tokens`.
        var token: Int32 = -1
    }

    /// The spellings are what is looked for in place of each token's content; tokens with an empty one are never found.
    init(_ tokens: [AddedToken], spellings: [[UInt8]]) {
        self.tokens = tokens
        for (index, spelling) in spellings.enumerated() where !spelling.isEmpty {
            isFirst[Int(spelling[0])] = true
            var node = 0
            for byte in spelling { node = child(of: node, byte) ?? addChild(to: node, byte) }
            if nodes[node].token < 0 { nodes[node].token = Int32(index) }
        }
    }

    var isEmpty: Bool { nodes.count == 1 }

    private func child(of node: Int, _ byte: UInt8) -> Int? {
        var child = nodes[node].child
        while child >= 0 {
            if nodes[Int(child)].byte == byte { return Int(child) }
            child = nodes[Int(child)].sibling
        }
        return nil
    }

    private mutating func addChild(to node: Int, _ byte: UInt8) -> Int {
        nodes.append(Node(byte: byte, sibling: nodes[node].child))
        nodes[node].child = Int32(nodes.count - 1)
        return nodes.count - 1
    }

    /// A stretch of the text: an added token's, or one between them.
    struct Part {
        /// nil for text between tokens.
        let id: Int32?
        let range: Range<Int>
    }

    /// Cuts the text into added tokens and what is between them; together they cover the whole range.
    func split(_ text: [UInt8], _ range: Range<Int>) -> [Part] {
        var parts: [Part] = []
        var done = range.lowerBound
        var position = range.lowerBound
        while position < range.upperBound {
            guard isFirst[Int(text[position])], let match = longestMatch(text, position..<range.upperBound) else {
                position += 1
                continue
            }
            let token = tokens[match.token]
            var found = position..<match.end
            position = match.end
            if token.isSingleWord, touchesWord(text, found, within: range) { continue }
            if token.stripsLeft { found = max(spaceStart(text, before: found, in: range), done)..<found.upperBound }
            if token.stripsRight { found = found.lowerBound..<spaceEnd(text, after: found, in: range) }
            if done < found.lowerBound { parts.append(Part(id: nil, range: done..<found.lowerBound)) }
            parts.append(Part(id: token.id, range: found))
            done = found.upperBound
        }
        if done < range.upperBound { parts.append(Part(id: nil, range: done..<range.upperBound)) }
        return parts
    }

    private func longestMatch(_ text: [UInt8], _ range: Range<Int>) -> (token: Int, end: Int)? {
        var best: (token: Int, end: Int)?
        var node = 0
        for position in range {
            guard let next = child(of: node, text[position]) else { break }
            node = next
            if nodes[node].token >= 0 { best = (Int(nodes[node].token), position + 1) }
        }
        return best
    }

    private func touchesWord(_ text: [UInt8], _ found: Range<Int>, within range: Range<Int>) -> Bool {
        let classes = UnicodeClasses.shared
        if found.lowerBound > range.lowerBound {
            let before = decodeScalar(text, scalarStart(text, before: found.lowerBound)).value
            if classes.isWord(before) { return true }
        }
        return found.upperBound < range.upperBound && classes.isWord(decodeScalar(text, found.upperBound).value)
    }

    private func spaceStart(_ text: [UInt8], before found: Range<Int>, in range: Range<Int>) -> Int {
        var start = found.lowerBound
        while start > range.lowerBound {
            let previous = scalarStart(text, before: start)
            guard UnicodeClasses.shared.isWhiteSpace(decodeScalar(text, previous).value) else { break }
            start = previous
        }
        return start
    }

    private func spaceEnd(_ text: [UInt8], after found: Range<Int>, in range: Range<Int>) -> Int {
        var end = found.upperBound
        while end < range.upperBound {
            let scalar = decodeScalar(text, end)
            guard UnicodeClasses.shared.isWhiteSpace(scalar.value) else { break }
            end += scalar.count
        }
        return end
    }
}
