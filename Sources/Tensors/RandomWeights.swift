import Glibc

/// Frozen weights of random numbers in bf16, for measuring speed without a model's files: uniform, with mean 0 and a standard
/// deviation of about 0.02.
///
/// The rows of all matrices are windows of one block of random numbers, each at a random place, so that gigabytes are made as fast
/// as they are copied. They lie in anonymous memory of ordinary pages, as a mapped file does.
public struct RandomWeights: Sendable {
    private let block: [UInt16]
    private let places: CounterRandom
    private static let blockCount = 1 << 20

    /// - Parameter seed: equal seeds give equal weights.
    public init(seed: UInt64) {
        let width = 2 * 0.02 * Float(3).squareRoot()
        block = CounterRandom(seed: seed, purpose: 0).uniforms(Self.blockCount).map {
            UInt16(truncatingIfNeeded: (($0 - 0.5) * width).bitPattern >> 16)
        }
        places = CounterRandom(seed: seed, purpose: 1)
    }

    /// Makes a matrix.
    /// - Parameters:
    ///   - rows: outputs.
    ///   - columns: inputs, at most 2¹⁹.
    ///   - index: tells matrices of one shape apart.
    ///   - workers: share the rows.
    /// - Returns: the matrix, which owns its memory.
    public func matrix(rows: Int, columns: Int, index: Int, on workers: Workers) -> StoredMatrix {
        precondition(columns <= Self.blockCount / 2)
        let owner = AnonymousMemory(byteCount: rows * columns * 2)
        workers.rows(rows, grain: 64) { range, _ in
            block.withUnsafeBytes { block in
                for row in range {
                    let word = places.block(UInt32(row), UInt32(index), 0, 0).0
                    let place = Int(word) % (Self.blockCount - columns)
                    owner.base.advanced(by: row * columns * 2)
                        .copyMemory(from: block.baseAddress! + 2 * place, byteCount: 2 * columns)
                }
            }
        }
        return StoredMatrix(
            bytes: UnsafeRawBufferPointer(start: owner.base, count: owner.byteCount), format: .bf16, rows: rows,
            columns: columns, owner: owner)
    }

    /// Makes a matrix of the columns and the format of another.
    /// - Parameters:
    ///   - other: what it is to be like; it is not read.
    ///   - rows: outputs, as many as there are to be.
    ///   - index: tells matrices of one shape apart.
    ///   - workers: share the rows.
    /// - Returns: the matrix; nil for formats of GGUF in blocks, which are not made here.
    public func matrix(like other: StoredMatrix, rows: Int, index: Int, on workers: Workers) -> StoredMatrix? {
        switch other.format {
        case .bf16: return matrix(rows: rows, columns: other.columns, index: index, on: workers)
        case .f32: return plain(rows, other.columns, .f32, index, workers)
        case .f16: return plain(rows, other.columns, .f16, index, workers)
        case nil: return nf4(rows, other.columns)
        default: return nil
        }
    }

    private func plain(
        _ rows: Int, _ columns: Int, _ format: PlainFormat, _ index: Int, _ workers: Workers
    ) -> StoredMatrix {
        let bytes = matrix(rows: rows, columns: columns, index: index, on: workers)
            .bytes(rows: 0..<rows, as: format, on: workers)
        let owner = AnonymousMemory(byteCount: bytes.count)
        bytes.withUnsafeBytes { owner.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return StoredMatrix(
            bytes: UnsafeRawBufferPointer(start: owner.base, count: owner.byteCount),
            format: format == .f32 ? .f32 : .f16, rows: rows, columns: columns, owner: owner)
    }

    /// Codes and scales are bytes of the block, which are any; what a scale is of lies about 0.02.
    private func nf4(_ rows: Int, _ columns: Int) -> StoredMatrix {
        let sizes = NF4Sizes(elements: rows * columns)
        let owner = AnonymousMemory(byteCount: sizes.codes + sizes.blocks + 4 * sizes.groups)
        block.withUnsafeBytes { block in
            for start in stride(from: 0, to: sizes.codes + sizes.blocks, by: block.count) {
                owner.base.advanced(by: start).copyMemory(
                    from: block.baseAddress!, byteCount: min(block.count, sizes.codes + sizes.blocks - start))
            }
        }
        let groups = owner.base + sizes.codes + sizes.blocks
        for group in 0..<sizes.groups {
            groups.storeBytes(of: Float(0.02), toByteOffset: 4 * group, as: Float.self)
        }
        func part(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: owner.base + start, count: count)
        }
        let parts = NF4Parts(
            codes: part(0, sizes.codes), scales: part(sizes.codes, sizes.blocks),
            groups: part(sizes.codes + sizes.blocks, 4 * sizes.groups), map: NF4Tensor.scaleMap, offset: 0.02)
        return StoredMatrix(nf4: parts, rows: rows, columns: columns, owner: owner)
    }
}

/// Memory that no file backs.
private final class AnonymousMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int) {
        let block = mmap(nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(block != MAP_FAILED, "no memory for a matrix of \(byteCount) bytes")
        base = block!
        self.byteCount = byteCount
    }

    deinit { munmap(base, max(byteCount, 1)) }
}
