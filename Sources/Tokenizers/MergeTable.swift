/// Merges of two neighbouring tokens into one: a flat hash table from (left, right) to (rank, id).
struct MergeTable: Sendable {
    /// Key and value of each place, the value being `none` where it is free. The number of places is a power of two.
    private var slots: [(key: UInt64, value: UInt64)]
    private var shift: UInt64
    private let seed = HashSeed.shared

    /// The value of a pair that does not merge; greater than that of any that does.
    static let none = UInt64.max

    init(capacity: Int) {
        var count = 16
        while count < capacity * 2 { count *= 2 }
        slots = Array(repeating: (0, Self.none), count: count)
        shift = UInt64(64 - count.trailingZeroBitCount)
    }

    @inline(__always) private func place(_ key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: ((key ^ seed.start) &* seed.factor) >> shift)
        while slots[slot].value != Self.none, slots[slot].key != key { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    @inline(__always) private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Sets a pair's merge. There must be no more pairs than the capacity.
    mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, id: Int32) {
        let key = Self.key(left, right)
        slots[place(key)] = (key, UInt64(rank) << 32 | UInt64(UInt32(bitPattern: id)))
    }

    /// What is wrong with a merge.
    struct MissingToken: Error {
        let reason: String
    }

    /// Sets a merge given as both tokens behind each other, the second from `separator` on.
    /// - Throws: `MissingToken` if one of them, or both together, is not in the vocabulary.
    mutating func insert(
        _ joined: [UInt8], _ separator: Int, rank: Int, _ tokens: TokenTable
    ) throws(MissingToken) {
        func id(_ range: Range<Int>) throws(MissingToken) -> Int32 {
            if let id = tokens.id(joined, range) { return id }
            let name = String(decoding: joined[range], as: UTF8.self)
            throw MissingToken(reason: "names \"\(name)\", which is not in the vocabulary")
        }
        let left = try id(0..<separator)
        let right = try id(separator..<joined.count)
        insert(left, right, rank: UInt32(rank), id: try id(0..<joined.count))
    }

    /// The rank (high half) and the id (low half) of the merged token, or `none`.
    @inline(__always) func value(_ left: Int32, _ right: Int32) -> UInt64 {
        slots[place(Self.key(left, right))].value
    }
}
