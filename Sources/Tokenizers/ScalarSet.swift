/// A set of Unicode scalars as a regular expression's class gives it.
struct ScalarSet: Sendable {
    /// Members by general category, white space and explicit ranges; all before `isNegated`.
    private(set) var categories: UInt32 = 0
    private(set) var hasWhiteSpace = false
    private(set) var hasNonWhiteSpace = false
    /// Those that reach beyond ASCII, most recent last.
    private(set) var ranges: [ClosedRange<UInt32>] = []
    private(set) var isNegated = false
    /// Members below U+0080, with the negation applied.
    private var ascii: (low: UInt64, high: UInt64) = (0, 0)
    /// The most ranges beyond ASCII of a set: each scalar of a text may be compared with all of them.
    static let mostRanges = 256
    private let classes = UnicodeClasses.shared

    /// What the pre-tokenizer Digits cuts at: `\p{N}` as a newer Unicode has it than the regular expressions know.
    static let digits: ScalarSet = {
        var set = ScalarSet(0x11DE0...0x11DE9, 0x16FF4...0x16FF6)
        set.insert(categories: GeneralCategory.numbers)
        return set
    }()

    init() {}

    init(_ ranges: ClosedRange<UInt32>...) { for range in ranges { insert(range) } }

    mutating func insert(_ range: ClosedRange<UInt32>) {
        if range.upperBound >= 0x80 { ranges.append(range) }
        if range.lowerBound < 0x80 { addASCII { range.contains($0) } }
    }

    mutating func insert(categories mask: UInt32) {
        categories |= mask
        addASCII { [classes] in classes.categoryMask($0) & mask != 0 }
    }

    /// `\s`, or `\S` if `negated`.
    mutating func insertWhiteSpace(negated: Bool) {
        if negated { hasNonWhiteSpace = true } else { hasWhiteSpace = true }
        addASCII { [classes] in classes.isWhiteSpace($0) != negated }
    }

    mutating func negate() {
        isNegated.toggle()
        ascii = (~ascii.low, ~ascii.high)
    }

    private mutating func addASCII(where isMember: (UInt32) -> Bool) {
        var (low, high): (UInt64, UInt64) = (0, 0)
        for scalar: UInt32 in 0..<64 {
            if isMember(scalar) { low |= 1 << UInt64(scalar) }
            if isMember(scalar + 64) { high |= 1 << UInt64(scalar) }
        }
        // A negated set loses what is added to that which it negates.
        ascii = isNegated ? (ascii.low & ~low, ascii.high & ~high) : (ascii.low | low, ascii.high | high)
    }

    private func containsSlowly(_ scalar: UInt32) -> Bool {
        var found = classes.categoryMask(scalar) & categories != 0
        if hasWhiteSpace || hasNonWhiteSpace {
            found = found || (classes.isWhiteSpace(scalar) ? hasWhiteSpace : hasNonWhiteSpace)
        }
        if !found { found = ranges.contains { $0.contains(scalar) } }
        return found != isNegated
    }

    /// Whether the scalar is a member.
    @inline(__always) func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return ascii.low >> UInt64(scalar) & 1 != 0 }
        if scalar < 128 { return ascii.high >> UInt64(scalar - 64) & 1 != 0 }
        return containsSlowly(scalar)
    }
}
