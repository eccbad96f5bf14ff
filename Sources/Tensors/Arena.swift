import Glibc

/// One block of memory from which the matrices of a step are cut, one behind the other.
///
/// A measuring arena gives out nothing and only adds up, so that the real one can be sized before the first step from the
/// code that will use it. Its pages are asked for as huge pages where the system gives them.
public final class Arena: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer?
    /// Bytes of the block; of a measuring arena, no bound.
    public let capacity: Int
    private var used = 0
    /// The most bytes that were in use at once.
    public private(set) var peak = 0

    /// An arena that only adds up what is asked of it.
    public static func measuring() -> Arena { Arena(base: nil, capacity: Int.max) }

    /// An arena of `bytes` bytes.
    public convenience init(bytes: Int) {
        let rounded = max((bytes + 4095) & ~4095, 4096)
        let block = mmap(nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(block != MAP_FAILED, "no memory for an arena of \(rounded) bytes")
        madvise(block, rounded, Int32(MADV_HUGEPAGE))
        self.init(base: block, capacity: rounded)
    }

    private init(base: UnsafeMutableRawPointer?, capacity: Int) {
        self.base = base
        self.capacity = capacity
    }

    deinit {
        if let base { munmap(base, capacity) }
    }

    /// True if this arena only adds up.
    public var isMeasuring: Bool { base == nil }

    /// Gives everything back, and to the system the memory of which no view is used any more until it is cut again.
    public func giveBackMemory() {
        reset()
        if let base { madvise(base, capacity, Int32(MADV_DONTNEED)) }
    }

    /// Gives everything back. Views cut before are no longer valid.
    public func reset() { used = 0 }

    /// The place from which `release(to:)` gives back what is cut after it.
    public var mark: Int { used }

    /// Gives back what was cut after `mark` was read.
    public func release(to mark: Int) {
        precondition(mark <= used)
        used = mark
    }

    /// A matrix of rows × columns with arbitrary elements, its start aligned to 64 bytes.
    public func matrix(_ rows: Int, _ columns: Int) -> MatrixView {
        let bytes = (rows * columns * 4 + 63) & ~63
        precondition(
            used + bytes <= capacity, "the arena of \(capacity) bytes is too small by \(used + bytes - capacity)")
        let start = used
        used += bytes
        peak = max(peak, used)
        guard let base else {
            return MatrixView(base: Self.nowhere, rows: rows, columns: columns, stride: columns)
        }
        let pointer = (base + start).bindMemory(to: Float.self, capacity: rows * columns)
        return MatrixView(base: pointer, rows: rows, columns: columns, stride: columns)
    }

    /// The base of the views that a measuring arena gives out; they must not be read or written.
    private nonisolated(unsafe) static let nowhere = UnsafeMutablePointer<Float>.allocate(capacity: 1)
}
