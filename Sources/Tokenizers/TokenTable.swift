/// The tokens of a vocabulary as bytes, by id, and the way back through a flat hash table.
struct TokenTable: Sendable {
    private var pool: [UInt8] = []
    /// Where each token begins in the pool; one more for the end.
    private var starts: [Int32] = [0]
    /// Open addressing; −1 for a free place. The length is a power of two.
    private var slots: [Int32]
    private var mask: Int
    private let seed = HashSeed.shared

    init(capacity: Int) {
        var count = 16
        while count < capacity * 2 { count *= 2 }
        slots = Array(repeating: -1, count: count)
        mask = count - 1
        starts.reserveCapacity(capacity + 1)
        pool.reserveCapacity(capacity * 8)
    }

    var count: Int { starts.count - 1 }

    /// The bytes of a token. The id must be in `0..<count`.
    func bytes(_ id: Int32) -> ArraySlice<UInt8> { pool[range(id)] }

    @inline(__always) private func range(_ id: Int32) -> Range<Int> {
        Int(starts[Int(id)])..<Int(starts[Int(id) + 1])
    }

    /// Appends a token.
    /// - Returns: nil, or the id of an equal token that was there before (then nothing is appended).
    mutating func append(_ token: some Collection<UInt8>) -> Int32? {
        let start = pool.count
        pool.append(contentsOf: token)
        let slot = place(pool, start..<pool.count)
        if slots[slot] >= 0 {
            pool.removeLast(pool.count - start)
            return slots[slot]
        }
        slots[slot] = Int32(count)
        starts.append(Int32(pool.count))
        if count * 2 > slots.count { grow() }
        return nil
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        mask = slots.count - 1
        for id in 0..<Int32(count) { slots[place(pool, range(id))] = id }
    }

    /// The id of the token with the bytes of `text` in `range`.
    @inline(__always) func id(_ text: [UInt8], _ range: Range<Int>) -> Int32? {
        let id = slots[place(text, range)]
        return id < 0 ? nil : id
    }

    func id(_ token: [UInt8]) -> Int32? { id(token, 0..<token.count) }

    /// The slot that holds the bytes of `text` in `range`, or the free one where they would be put.
    private func place(_ text: [UInt8], _ range: Range<Int>) -> Int {
        var hash = seed.start
        for position in range { hash = (hash ^ UInt64(text[position])) &* 0x0000_0100_0000_01B3 }
        var slot = Int(truncatingIfNeeded: ((hash ^ hash >> 32) &* seed.factor) >> 20) & mask
        while slots[slot] >= 0 {
            let found = self.range(slots[slot])
            if found.count == range.count {
                var equal = true
                for offset in 0..<range.count where pool[found.lowerBound + offset] != text[range.lowerBound + offset] {
                    equal = false
                    break
                }
                if equal { return slot }
            }
            slot = (slot + 1) & mask
        }
        return slot
    }
}

/// What makes places in hash tables differ from process to process, so that no file can be made whose keys share one.
struct HashSeed: Sendable {
    static let shared = HashSeed()
    let start = UInt64.random(in: .min ... .max)
    /// Odd.
    let factor = UInt64.random(in: 1 << 62 ... .max) | 1
}
