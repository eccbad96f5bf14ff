/// Finding a long part in a text in time that grows with both, not with their product.   (Knuth, Morris & Pratt 1977)
enum Search {
    /// Up to so many bytes, comparing at each place is faster.
    static let longPart = 16

    /// The offset of the first `part` at or after `start` that ends at `end` at the latest. The part must not be empty.
    static func first(_ part: [UInt8], in bytes: [UInt8], from start: Int, before end: Int) -> Int? {
        find(part, count: end - start) { bytes[start + $0] }.map { start + $0 }
    }

    /// The offset of the last such `part`: the first one, read backwards.
    static func last(_ part: [UInt8], in bytes: [UInt8], from start: Int, before end: Int) -> Int? {
        find(part.reversed(), count: end - start) { bytes[end - 1 - $0] }.map { end - $0 - part.count }
    }

    private static func find(_ part: [UInt8], count: Int, _ byte: (Int) -> UInt8) -> Int? {
        guard count >= part.count else { return nil }
        // By length of what matched: how much of it is also the part's beginning.
        var shorter = [Int](repeating: 0, count: part.count)
        var matched = 0
        for position in 1..<part.count {
            while matched > 0, part[position] != part[matched] { matched = shorter[matched - 1] }
            if part[position] == part[matched] { matched += 1 }
            shorter[position] = matched
        }
        matched = 0
        for position in 0..<count {
            let next = byte(position)
            while matched > 0, next != part[matched] { matched = shorter[matched - 1] }
            if next == part[matched] { matched += 1 }
            if matched == part.count { return position + 1 - part.count }
        }
        return nil
    }
}
