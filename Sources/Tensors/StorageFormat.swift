import CKernels

/// How the elements of a stored weight lie in its file. Raw values are those of `ck_format`.
public enum StorageFormat: UInt32, Sendable, CaseIterable {
    case f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K

    /// Elements that are stored together: 1 for plain numbers.
    public var blockElements: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1: 32
        case .q4_K, .q5_K, .q6_K: 256
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q8_0: 34
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    /// Bytes of `elements` elements, a multiple of `blockElements`.
    public func byteCount(elements: Int) -> Int {
        precondition(elements.isMultiple(of: blockElements), "\(elements) elements are no whole blocks of \(self)")
        return elements / blockElements * blockBytes
    }

    /// Widens stored elements to floats, bit for bit as the `gguf` Python package does.
    /// - Parameters:
    ///   - stored: whole blocks, of any alignment.
    ///   - out: as many floats as `stored` has elements.
    public func widen(_ stored: UnsafeRawBufferPointer, into out: UnsafeMutableBufferPointer<Float>) {
        precondition(stored.count == byteCount(elements: out.count), "sizes differ")
        guard let source = stored.baseAddress, let target = out.baseAddress else { return }
        ck_widen(ck_format(rawValue), source, 0, out.count, target)
    }
}
