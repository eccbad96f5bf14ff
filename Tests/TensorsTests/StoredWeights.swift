import Tensors

/// Keeps the bytes of a stored matrix.
final class HeldBytes: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    init(_ values: [UInt8], offset: Int) {
        bytes = .allocate(byteCount: values.count + offset, alignment: 64)
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).copyBytes(from: values)
    }
    deinit { bytes.deallocate() }
}

/// A stored weight and what it means, element by element in the order of reading.
struct StoredSample {
    let weight: StoredMatrix
    let values: [Float]

    /// Random stored numbers near ±1 in size.
    ///
    /// With `headSize`, rows are stored as GGUF keeps q and k, in heads of so many rows. `offset` is the bytes from an aligned
    /// address to the first element.
    init(
        _ format: StorageFormat, rows: Int, columns: Int, headSize: Int? = nil, offset: Int = 0,
        random: inout Seeded
    ) {
        var bytes: [UInt8] = []
        for _ in 0..<rows { bytes += Self.row(format, columns, &random) }
        let held = HeldBytes(bytes, offset: offset)
        weight = StoredMatrix(
            bytes: UnsafeRawBufferPointer(rebasing: held.bytes[offset...]), format: format, rows: rows,
            columns: columns,
            rowOrder: headSize.map { .interleavedHalves(headSize: $0) } ?? .plain, owner: held)
        var values = [Float](repeating: 0, count: rows * columns)
        let rowBytes = format.byteCount(elements: columns)
        for row in 0..<rows {
            var stored = row
            if let headSize {
                // A head's rows as the file has them: pair 0 of both halves, pair 1 of both halves, …
                let fileOrder = (0..<headSize / 2).flatMap { [$0, $0 + headSize / 2] }
                stored = row / headSize * headSize + fileOrder.firstIndex(of: row % headSize)!
            }
            bytes[stored * rowBytes..<(stored + 1) * rowBytes].withUnsafeBytes { source in
                values.withUnsafeMutableBufferPointer {
                    format.widen(source, into: .init(rebasing: $0[row * columns..<(row + 1) * columns]))
                }
            }
        }
        self.values = values
    }

    private static func row(_ format: StorageFormat, _ columns: Int, _ random: inout Seeded) -> [UInt8] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        func half(_ number: Float) -> [UInt8] { bytes(halfBits(number)) }
        switch format {
        case .f32: return random.floats(columns).flatMap { bytes($0.bitPattern) }
        case .f16: return random.floats(columns).flatMap { half($0) }
        case .bf16: return random.floats(columns).flatMap { bytes(UInt16($0.bitPattern >> 16)) }
        default: break
        }
        // Blocks of any bits are numbers if their F16 scales are sane: where those stand, and what makes weights near 1.
        let (places, size): ([Int], Float) =
            switch format {
            case .q8_0: ([0], 0.01)
            case .q4_0: ([0], 0.1)
            case .q4_1: ([0, 2], 0.1)
            case .q5_0: ([0], 0.06)
            case .q5_1: ([0, 2], 0.06)
            case .q4_K: ([0, 2], 0.002)
            case .q5_K: ([0, 2], 0.001)
            default: ([208], 0.0005)
            }
        return (0..<columns / format.blockElements).flatMap { _ in
            var block = (0..<format.blockBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
            for place in places {
                block.replaceSubrange(place..<place + 2, with: half(Float.random(in: -size...size, using: &random)))
            }
            return block
        }
    }

    /// The bits of an F16 number near this one (rounded towards zero, 0 where F16 has no normal number).
    private static func halfBits(_ number: Float) -> UInt16 {
        let exponent = Int(number.bitPattern >> 23 & 0xFF) - 127 + 15
        let sign = UInt16(number.bitPattern >> 16 & 0x8000)
        if exponent < 1 { return sign }
        return sign | UInt16(exponent) << 10 | UInt16(number.bitPattern >> 13 & 0x3FF)
    }
}
