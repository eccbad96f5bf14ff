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
