/// How the elements of a stored tensor are kept. The first eleven can be used as weights; their raw values are those of
/// `StorageFormat` in Tensors. The others can be listed only.
public enum ElementType: UInt32, Sendable, CaseIterable {
    case f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K
    case f64, i8, i16, i32, i64, u8, u16, u32, u64, bool, f8_e4m3, f8_e5m2, f8_e8m0, c64

    /// True for what can be used as a weight.
    public var isWeight: Bool { rawValue <= ElementType.q6_K.rawValue }

    /// Elements that are stored together: 1 for plain numbers.
    public var blockElements: Int {
        switch self {
        case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1: 32
        case .q4_K, .q5_K, .q6_K: 256
        default: 1
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .i8, .u8, .bool, .f8_e4m3, .f8_e5m2, .f8_e8m0: 1
        case .f16, .bf16, .i16, .u16: 2
        case .f32, .i32, .u32: 4
        case .f64, .i64, .u64, .c64: 8
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    /// The name as files and their tools spell it: "BF16", "Q4_K", "F8_E4M3", …
    public var name: String { String(describing: self).uppercased() }

    /// The names of the types that can be used as weights, for messages.
    static let weightNames = allCases.filter(\.isWeight).map(\.name).joined(separator: ", ")

    /// Bytes of a tensor of this type, or nil if a dimension is negative, the last one is no multiple of the block, or
    /// the product of all but the zeros overflows.
    func byteCount(shape: [Int]) -> Int? {
        guard shape.allSatisfy({ $0 >= 0 }) else { return nil }
        // Zeros count at the end alone, so that the product of the elements stays in range in any order.
        var blocks = 1
        for (axis, dimension) in shape.enumerated() where dimension > 0 {
            let isLast = axis == shape.count - 1
            guard !isLast || dimension.isMultiple(of: blockElements) else { return nil }
            let (product, overflow) = blocks.multipliedReportingOverflow(
                by: isLast ? dimension / blockElements : dimension)
            guard !overflow else { return nil }
            blocks = product
        }
        guard !blocks.multipliedReportingOverflow(by: max(blockBytes, blockElements)).overflow else { return nil }
        if shape.contains(0) { return 0 }
        return shape.isEmpty && blockElements > 1 ? nil : blocks * blockBytes
    }
}
