/// The general categories of Unicode, in the order of `UnicodeTable.categories`.
enum GeneralCategory: UInt8, CaseIterable {
    case Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, No, Pc, Pd, Ps, Pe, Pi, Pf, Po, Sm, Sc, Sk, So, Zs, Zl, Zp, Cc, Cf
    case Co, Cn, Cs

    /// The bit of this category in a mask of categories.
    var mask: UInt32 { 1 << UInt32(rawValue) }

    /// The categories whose two-letter name is `name` or begins with the one letter `name`; nil if there is none.
    static func mask(named name: String) -> UInt32? {
        var mask: UInt32 = 0
        for category in allCases {
            let text = String(describing: category).utf8
            if text.elementsEqual(name.utf8) || (name.utf8.count == 1 && text.first == name.utf8.first) {
                mask |= category.mask
            }
        }
        return mask == 0 ? nil : mask
    }

    static let letters = mask(named: "L")!
    static let numbers = mask(named: "N")!
}

/// What tokenizers ask about a Unicode scalar.
struct UnicodeClasses: Sendable {
    /// The one instance: it is a table of a byte for each scalar.
    static let shared = UnicodeClasses()

    /// Bits 0 to 4: general category; then white space, word.
    private let table: [UInt8]
    private static let whiteSpace: UInt8 = 0x20
    private static let word: UInt8 = 0x40

    private init() {
        var table: [UInt8] = []
        table.reserveCapacity(0x110000)
        Self.appendCategories(to: &table)
        // Scalars that count as parts of words although their category is a symbol's or a format's.
        for range in [0x24B6...0x24E9, 0x1F130...0x1F149, 0x1F150...0x1F169, 0x1F170...0x1F189, 0x200C...0x200D] {
            for scalar in range { table[scalar] |= Self.word }
        }
        for scalar in [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85] { table[scalar] |= Self.whiteSpace }
        self.table = table
    }

    private static func appendCategories(to table: inout [UInt8]) {
        let wordMask =
            GeneralCategory.letters | GeneralCategory.mask(named: "M")! | GeneralCategory.Nd.mask
            | GeneralCategory.Nl.mask | GeneralCategory.Pc.mask
        let spaceMask = GeneralCategory.mask(named: "Z")!
        var category: UInt8 = 0
        var count = 0
        func flush() {
            var value = category
            if wordMask >> UInt32(category) & 1 != 0 { value |= word }
            if spaceMask >> UInt32(category) & 1 != 0 { value |= whiteSpace }
            table.append(contentsOf: repeatElement(value, count: max(count, 1)))
        }
        var first = true
        for byte in UnicodeTable.categories.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): count = count * 10 + Int(byte - UInt8(ascii: "0"))
            case 0x0A: continue
            default:
                if !first { flush() }
                first = false
                category = byte >= UInt8(ascii: "a") ? byte - UInt8(ascii: "a") + 26 : byte - UInt8(ascii: "A")
                count = 0
            }
        }
        flush()
    }

    /// The bit of the scalar's general category.
    @inline(__always) func categoryMask(_ scalar: UInt32) -> UInt32 { 1 << UInt32(table[Int(scalar)] & 0x1F) }

    /// `\s`: the property White_Space.
    @inline(__always) func isWhiteSpace(_ scalar: UInt32) -> Bool { table[Int(scalar)] & Self.whiteSpace != 0 }

    /// `\w` as UTS #18 has it: letters, marks, decimal and letter numbers, connectors, joiners.
    func isWord(_ scalar: UInt32) -> Bool { table[Int(scalar)] & Self.word != 0 }
}
