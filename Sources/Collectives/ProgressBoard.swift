internal import COpenMPI
import Glibc
import Synchronization

/// How far each rank of a node has come, in memory that they share: for a watcher that ends a job in which one hangs.
///
/// A rank writes its own line as it works, and reads those of the others. All calls are safe from any thread.
public final class ProgressBoard: @unchecked Sendable {
    /// What a rank does.
    public enum Phase: UInt64, Sendable, CaseIterable {
        case starting, loading, training, updating, evaluating, saving, finished

        /// The phase's name.
        public var name: String { "\(self)" }
    }

    /// What one rank has written.
    public struct Line: Sendable, Equatable {
        /// Counts up with every layer and every piece of work.
        public var progress: UInt64
        /// The step that it works on, from 1; 0 before the first.
        public var step: Int
        public var phase: Phase
        /// Whether it waits for other ranks.
        public var isWaiting: Bool
        /// Its rank in the job and its process.
        public var rank: Int, process: Int32
    }

    /// Lines of the board: the ranks of this node.
    public let count: Int
    /// The line of this rank.
    public let own: Int
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let ownedBytes: UnsafeMutableRawPointer?

    /// Words of a line, two cache lines, so that no two ranks write to one.
    private static let stride = 16
    private enum Word: Int { case progress, step, phase, waiting, rank, process }

    /// The board of one process alone.
    convenience init(rank: Int) {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: Self.lineBytes, alignment: 128)
        bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.lineBytes)
        self.init(bytes, count: 1, own: 0, rank: rank, owned: bytes)
    }

    /// Lines in memory that is zero.
    private init(_ bytes: UnsafeMutableRawPointer, count: Int, own: Int, rank: Int, owned: UnsafeMutableRawPointer?) {
        words = bytes.assumingMemoryBound(to: Atomic<UInt64>.self)
        ownedBytes = owned
        self.count = count
        self.own = own
        set(.rank, UInt64(rank))
        set(.process, UInt64(getpid()))
    }

    deinit { ownedBytes?.deallocate() }

    private static var lineBytes: Int { stride * 8 }

    /// The board of the ranks of a node, in a file of `/dev/shm` that has lost its name; all of them call this. It stays until the
    /// process ends, so that a thread may look at it while MPI ends. Where such a file cannot be made, each rank has its own board.
    /// - Throws: `MPIError`.
    static func shared(by node: MPI_Comm, count: Int, own: Int, rank: Int) throws(MPIError) -> ProgressBoard {
        let bytes = count * lineBytes
        var owner = getpid()
        try check(MPI_Bcast(&owner, Int32(MemoryLayout<pid_t>.size), ompi_byte(), 0, node), "MPI_Bcast")
        let name = "/lora-dist-\(getuid())-\(owner)"
        func map(_ flags: Int32) -> UnsafeMutableRawPointer? {
            let descriptor = shm_open(name, flags | O_RDWR | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            guard flags & O_CREAT == 0 || posix_fallocate(descriptor, 0, off_t(bytes)) == 0 else { return nil }
            let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            return base == MAP_FAILED ? nil : base
        }
        var base: UnsafeMutableRawPointer?
        if own == 0 {
            shm_unlink(name)
            base = map(O_CREAT | O_EXCL)
        }
        try check(MPI_Barrier(node), "MPI_Barrier")
        if own > 0 { base = map(0) }
        var isShared: Int64 = base == nil ? 0 : 1
        try check(MPI_Allreduce(ompi_in_place(), &isShared, 1, ompi_int64(), ompi_min(), node), "MPI_Allreduce")
        if own == 0 { shm_unlink(name) }
        guard isShared == 1, let base else { return ProgressBoard(rank: rank) }
        return ProgressBoard(base, count: count, own: own, rank: rank, owned: nil)
    }

    private func set(_ word: Word, _ value: UInt64) {
        words[own * Self.stride + word.rawValue].store(value, ordering: .relaxed)
    }

    private func get(_ line: Int, _ word: Word) -> UInt64 {
        words[line * Self.stride + word.rawValue].load(ordering: .relaxed)
    }

    /// Tells that this rank has come further.
    public func tick() { words[own * Self.stride].add(1, ordering: .relaxed) }

    /// Tells what this rank does from now on.
    public func enter(_ phase: Phase, step: Int) {
        set(.step, UInt64(step))
        set(.phase, phase.rawValue)
        tick()
    }

    /// Tells whether this rank waits for others.
    func setWaiting(_ isWaiting: Bool) {
        set(.waiting, isWaiting ? 1 : 0)
        tick()
    }

    /// A rank's line, by its number within the node.
    public subscript(line: Int) -> Line {
        precondition(line >= 0 && line < count, "no such line")
        return Line(
            progress: get(line, .progress), step: Int(get(line, .step)),
            phase: Phase(rawValue: get(line, .phase)) ?? .starting, isWaiting: get(line, .waiting) != 0,
            rank: Int(get(line, .rank)), process: Int32(truncatingIfNeeded: get(line, .process)))
    }
}
