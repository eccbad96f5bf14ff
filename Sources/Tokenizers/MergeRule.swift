/// A token in the making: its id and where it lies in the text.
struct Symbol: Sendable {
    /// −1 for a character that is no token.
    var id: Int32
    var start: Int
    var end: Int
}

/// Says which neighbours merge, how early, and into what.
protocol MergeRule: Sendable {
    /// The rank (high half) and the id (low half) of the token that both make, or `MergeTable.none`. Lower ranks merge
    /// first, equal ranks from the left.
    func value(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> UInt64
}

/// Merges listed one by one, as in `tokenizer.json`.
struct RankedMerges: MergeRule {
    let table: MergeTable

    @inline(__always) func value(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> UInt64 {
        table.value(left.id, right.id)
    }
}

/// Any two neighbours merge whose joined text is a token, best score first, as SentencePiece does.
struct ScoredMerges: MergeRule {
    let tokens: TokenTable
    /// By id: 0 for the best score, equal for equal scores; `UInt32.max` for tokens that are not made of text.
    let ranks: [UInt32]

    func value(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> UInt64 {
        guard left.end == right.start, let id = tokens.id(text, left.start..<right.end), ranks[Int(id)] != .max else {
            return MergeTable.none
        }
        return UInt64(ranks[Int(id)]) << 32 | UInt64(UInt32(bitPattern: id))
    }
}

/// The symbols of one piece of text, and room to merge them in.
struct MergeScratch {
    var symbols: [Symbol] = []
    /// By symbol: the value of its merge with the next one.
    private var values: [UInt64] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MinHeap()

    /// Merges neighbours until no two of them merge.
    mutating func merge(_ rule: some MergeRule, in text: [UInt8]) {
        guard symbols.count > 1 else { return }
        values.removeAll(keepingCapacity: true)
        for position in 1..<symbols.count {
            values.append(rule.value(symbols[position - 1], symbols[position], in: text))
        }
        if symbols.count <= 40 { mergeByScanning(rule, text) } else { mergeByHeap(rule, text) }
    }

    private mutating func mergeByScanning(_ rule: some MergeRule, _ text: [UInt8]) {
        while true {
            var best = MergeTable.none >> 32
            var at = -1
            for position in 0..<values.count where values[position] >> 32 < best {
                best = values[position] >> 32
                at = position
            }
            guard at >= 0 else { return }
            symbols[at].id = Int32(truncatingIfNeeded: values[at])
            symbols[at].end = symbols[at + 1].end
            symbols.remove(at: at + 1)
            values.remove(at: at)
            if at > 0 { values[at - 1] = rule.value(symbols[at - 1], symbols[at], in: text) }
            if at < values.count { values[at] = rule.value(symbols[at], symbols[at + 1], in: text) }
        }
    }

    /// The same in O(n log n): a linked list of symbols and a heap of (rank, position), in which outdated entries stay
    /// until they come up.
    private mutating func mergeByHeap(_ rule: some MergeRule, _ text: [UInt8]) {
        let count = symbols.count
        values.append(MergeTable.none)
        next = (1...Int32(count)).map { $0 }
        previous = (-1..<Int32(count) - 1).map { $0 }
        heap.removeAll()
        for position in 0..<count - 1 where values[position] != MergeTable.none { push(position) }
        while let entry = heap.pop() {
            let at = Int(entry & 0xFFFF_FFFF)
            guard values[at] != MergeTable.none, values[at] >> 32 == entry >> 32 else { continue }
            let right = Int(next[at])
            symbols[at].id = Int32(truncatingIfNeeded: values[at])
            symbols[at].end = symbols[right].end
            next[at] = next[right]
            values[right] = MergeTable.none
            symbols[right].end = -1
            let after = Int(next[at])
            values[at] = MergeTable.none
            if after < count {
                previous[after] = Int32(at)
                values[at] = rule.value(symbols[at], symbols[after], in: text)
                if values[at] != MergeTable.none { push(at) }
            }
            let before = Int(previous[at])
            if before >= 0 {
                values[before] = rule.value(symbols[before], symbols[at], in: text)
                if values[before] != MergeTable.none { push(before) }
            }
        }
        symbols.removeAll { $0.end < 0 }
    }

    private mutating func push(_ position: Int) { heap.push(values[position] & ~0xFFFF_FFFF | UInt64(position)) }
}

/// A binary heap that gives the smallest number first.
struct MinHeap {
    private var items: [UInt64] = []

    mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    mutating func push(_ item: UInt64) {
        items.append(item)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child] < items[parent] else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> UInt64? {
        guard let last = items.popLast() else { return nil }
        guard let top = items.first else { return last }
        items[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < items.count else { return top }
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            guard items[child] < items[parent] else { return top }
            items.swapAt(child, parent)
            parent = child
        }
    }
}
