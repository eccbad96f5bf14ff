import CKernels

/// How many numbers a tensor in 4-bit NormalFloat has of each kind (Dettmers et al. 2023, QLoRA).
public struct NF4Sizes: Sendable, Equatable {
    /// Bytes of codes, two elements each; blocks of 64 elements, each with a scale; groups of 256 blocks, each with a scale of
    /// scales.
    public let codes: Int, blocks: Int, groups: Int

    public init(elements: Int) {
        codes = (elements + 1) / 2
        blocks = (elements + 63) / 64
        groups = (blocks + 255) / 256
    }
}

/// Where the parts of a tensor in 4-bit NormalFloat lie.
public struct NF4Parts {
    /// Two elements a byte, the first in the high half.
    public let codes: UnsafeRawBufferPointer
    /// A number of the map for each block; nil if `groups` holds one scale for each block.
    public let scales: UnsafeRawBufferPointer?
    /// Floats at any alignment.
    public let groups: UnsafeRawBufferPointer
    /// The 256 values of scales.
    public let map: [Float]
    /// Is added to each scale.
    public let offset: Float

    public init(
        codes: UnsafeRawBufferPointer, scales: UnsafeRawBufferPointer?, groups: UnsafeRawBufferPointer, map: [Float],
        offset: Float
    ) {
        self.codes = codes
        self.scales = scales
        self.groups = groups
        self.map = map
        self.offset = offset
    }
}

/// A tensor in 4-bit NormalFloat with double quantisation, as bitsandbytes makes it on a CPU from fp32: codes, scales and scales of
/// scales are the same bits, given the same offset.
public struct NF4Tensor: Sendable {
    public let rows: Int, columns: Int
    /// Two elements a byte, the first in the high half.
    public let codes: [UInt8]
    /// The number of each block's scale in the map.
    public let scales: [UInt8]
    /// The scale of 256 scales.
    public let groups: [Float]
    /// The mean of the scales before they were quantised, which is added to each.
    public let offset: Float

    /// The 16 levels of an element, ascending.
    public static var levels: [Float] {
        withUnsafeBytes(of: ck_nf4_levels) { Array($0.bindMemory(to: Float.self)) }
    }

    /// The 256 values of a scale, ascending: bitsandbytes' signed dynamic map of 8 bits.
    public static let scaleMap = [Float](unsafeUninitializedCapacity: 256) { buffer, count in
        ck_nf4_scale_map(buffer.baseAddress!)
        count = 256
    }

    /// Quantises a matrix; nil if an element is NaN or infinite.
    /// - Parameters:
    ///   - matrix: in any format; it is read in order.
    ///   - workers: share blocks of 64 rows.
    public init?(quantizing matrix: StoredMatrix, on workers: Workers) {
        let (rows, columns) = (matrix.rows, matrix.columns)
        let sizes = NF4Sizes(elements: rows * columns)
        var codes = [UInt8](repeating: 0, count: sizes.codes)
        var absmax = [Float](repeating: 0, count: sizes.blocks)
        let wrong = Flags()
        codes.withUnsafeMutableBufferPointer { codes in
            absmax.withUnsafeMutableBufferPointer { absmax in
                nonisolated(unsafe) let (codes, absmax) = (codes, absmax)
                // 64 rows are whole blocks, whatever the columns.
                workers.rows((rows + 63) / 64, grain: 1) { range, _ in
                    withUnsafeTemporaryAllocation(of: Float.self, capacity: 64 * columns) { floats in
                        for part in range {
                            let range = 64 * part..<min(rows, 64 * part + 64)
                            let first = range.lowerBound * columns
                            matrix.widen(
                                rows: range, columns: 0..<columns, into: floats.baseAddress!, stride: columns)
                            wrong.insert(
                                ck_nf4_quantize(
                                    floats.baseAddress!, range.count * columns, codes.baseAddress! + first / 2,
                                    absmax.baseAddress! + first / 64))
                        }
                    }
                }
            }
        }
        guard wrong.value == 0 else { return nil }
        self.init(rows: rows, columns: columns, codes: codes, absmax: absmax)
    }

    /// Quantises the scales.
    /// - Parameters:
    ///   - rows: outputs.
    ///   - columns: inputs.
    ///   - codes: of all elements.
    ///   - absmax: the largest magnitude of each block.
    ///   - offset: nil for the mean of `absmax`.
    init(rows: Int, columns: Int, codes: [UInt8], absmax: [Float], offset: Float? = nil) {
        let sizes = NF4Sizes(elements: rows * columns)
        (self.rows, self.columns, self.codes) = (rows, columns, codes)
        self.offset = offset ?? Float(absmax.reduce(0) { $0 + Double($1) } / Double(max(1, absmax.count)))
        var scales = [UInt8](repeating: 0, count: sizes.blocks)
        var groups = [Float](repeating: 0, count: sizes.groups)
        ck_nf4_quantize_scales(absmax, absmax.count, self.offset, Self.scaleMap, &scales, &groups)
        (self.scales, self.groups) = (scales, groups)
    }
}

/// Holds the map of scales and the file that holds the rest.
final class NF4Owner {
    let map: UnsafeMutableBufferPointer<Float>
    private let file: AnyObject

    init(map: [Float], file: AnyObject) {
        self.map = .allocate(capacity: map.count)
        _ = self.map.initialize(from: map)
        self.file = file
    }

    deinit { map.deallocate() }
}
