import Glibc

extension StoredMatrix {
    /// A matrix of which shape and format are known and no numbers: it has addresses and no memory behind them, so that whatever
    /// reads it ends the process.
    /// - Parameters:
    ///   - rows: outputs.
    ///   - columns: inputs.
    ///   - format: of plain numbers; nil for 4-bit NormalFloat with double quantisation.
    /// - Returns: the matrix.
    public static func planned(rows: Int, columns: Int, format: StorageFormat?) -> StoredMatrix {
        if let format {
            let memory = ReservedAddresses(byteCount: format.byteCount(elements: rows * columns))
            return StoredMatrix(
                bytes: memory.bytes(0..<memory.byteCount), format: format, rows: rows, columns: columns, owner: memory)
        }
        let sizes = NF4Sizes(elements: rows * columns)
        let memory = ReservedAddresses(byteCount: sizes.codes + sizes.blocks + 4 * sizes.groups)
        let parts = NF4Parts(
            codes: memory.bytes(0..<sizes.codes), scales: memory.bytes(sizes.codes..<sizes.codes + sizes.blocks),
            groups: memory.bytes(sizes.codes + sizes.blocks..<memory.byteCount), map: NF4Tensor.scaleMap, offset: 0)
        return StoredMatrix(nf4: parts, rows: rows, columns: columns, owner: memory)
    }
}

/// Addresses that nothing stands behind.
private final class ReservedAddresses: @unchecked Sendable {
    let byteCount: Int
    private let base: UnsafeMutableRawPointer

    init(byteCount: Int) {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let block = mmap(nil, max(byteCount, 1), PROT_NONE, flags, -1, 0)
        precondition(block != MAP_FAILED, "no addresses for a matrix of \(byteCount) bytes")
        base = block!
        self.byteCount = byteCount
    }

    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    deinit { munmap(base, max(byteCount, 1)) }
}
