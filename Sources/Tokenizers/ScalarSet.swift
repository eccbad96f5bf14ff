/// A set of Unicode scalars as a regular expression's class gives it.
struct ScalarSet: Sendable {
    /// Members by general category, white space and explicit ranges; all before `isNegated`.
    private(set) var categories: UInt32 = 0
    private(set) var hasWhiteSpace = false
    private(set) var hasNonWhiteSpace = false
    private(set) var ranges: [ClosedRange<UInt32>] = []
    private(set) var isNegated = false
    /// Members below U+0080, with the negation applied.
    private var ascii: (low: UInt64, high: UInt64) = (0, 0)
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
        ranges.append(range)
        updateASCII()
    }

    mutating func insert(categories mask: UInt32) {
        categories |= mask
        updateASCII()
    }

    /// `\s`, or `\S` if `negated`.
    mutating func insertWhiteSpace(negated: Bool) {
        if negated { hasNonWhiteSpace = true } else { hasWhiteSpace = true }
        updateASCII()
    }

    mutating func negate() {
        isNegated.toggle()
        updateASCII()
    }

    private mutating func updateASCII() {
        ascii = (0, 0)
        for scalar: UInt32 in 0..<64 {
            if containsSlowly(scalar) { ascii.low |= 1 << UInt64(scalar) }
            if containsSlowly(scalar + 64) { ascii.high |= 1 << UInt64(scalar) }
        }
    }

    private func containsSlowly(_ scalar: UInt32) -> Bool {
        var found = classes.categoryMask(scalar) & categories != 0
        if hasWhiteSpace || hasNonWhiteSpace {
            found = found || (classes.isWhiteSpace(scalar) ? hasWhiteSpace : hasNonWhiteSpace)
        }
        if !found { for range in ranges where range.contains(scalar) { found = true } }
        return found != isNegated
    }

    /// Whether the scalar is a member.
    @inline(__always) func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return ascii.low >> UInt64(scalar) & 1 != 0 }
        if scalar < 128 { return ascii.high >> UInt64(scalar - 64) & 1 != 0 }
        return containsSlowly(scalar)
    }
}
