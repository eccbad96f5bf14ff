internal import COpenMPI
import Glibc

/// Memory that the ranks of a node share: what one writes, all see. It stays as long as one of them has it; no file of it is left
/// behind, however the job ends.
///
/// Nothing orders what ranks do with it but barriers: between a write of one rank and a read or write of another there must be one.
public final class NodeMemory: @unchecked Sendable {
    /// The memory, whole pages.
    public let bytes: UnsafeMutableRawBufferPointer

    private init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    deinit { munmap(bytes.baseAddress, bytes.count) }

    /// Maps memory of an open file that has no name, or of none: then it is this process's own.
    fileprivate static func map(_ byteCount: Int, _ descriptor: Int32?) -> NodeMemory? {
        let kind = descriptor == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, kind, descriptor ?? -1, 0)
        guard let base, base != MAP_FAILED else { return nil }
        // Huge pages where the system gives them.
        madvise(base, byteCount, Int32(MADV_HUGEPAGE))
        return NodeMemory(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
    }
}

extension Communicator {
    /// Memory that this rank shares with the others of its node, at first zero; every rank must call this.
    ///
    /// The first rank of a node makes a file in memory that has no name (memfd); the others find it through /proc.
    /// - Parameter byteCount: the same on each rank of a node.
    /// - Returns: nil, on all ranks of a node, where these cannot share memory: they may run as different users, or in
    ///   containers that do not see each other's processes.
    /// - Throws: `MPIError`.
    public func makeNodeMemory(byteCount: Int) throws(MPIError) -> NodeMemory? {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let length = max(1, (byteCount + page - 1) / page) * page
        guard let node, localSize > 1 else { return NodeMemory.map(length, nil) }
        // Process and descriptor of the first rank, and what tells its file from any other.
        var place: [Int64] = [0, -1, 0, 0]
        if localRank == 0 {
            let file = memory_file("lora-dist")
            if file >= 0, ftruncate(file, off_t(length)) == 0, let identity = Self.identity(of: file) {
                place = [Int64(getpid()), Int64(file)] + identity
            }
        }
        try waiting { () throws(MPIError) in
            try check(MPI_Bcast(&place, Int32(place.count), ompi_int64(), 0, node), "MPI_Bcast")
        }
        var memory: NodeMemory?
        if place[1] >= 0 {
            let file = localRank == 0 ? Int32(place[1]) : open("/proc/\(place[0])/fd/\(place[1])", O_RDWR | O_CLOEXEC)
            if file >= 0, Self.identity(of: file) == Array(place[2...]) { memory = NodeMemory.map(length, file) }
            // The first rank's descriptor stays until all have opened the file.
            if localRank > 0, file >= 0 { close(file) }
        }
        let haveAll = try nodeMax(memory == nil ? 1 : 0) == 0
        if localRank == 0, place[1] >= 0 { close(Int32(place[1])) }
        return haveAll ? memory : nil
    }

    /// Device and number of an open file: ranks that do not see each other's processes may find another one under the same name.
    private static func identity(of file: Int32) -> [Int64]? {
        var status = stat()
        guard fstat(file, &status) == 0 else { return nil }
        return [Int64(bitPattern: UInt64(status.st_dev)), Int64(bitPattern: UInt64(status.st_ino))]
    }

    /// Waits until all ranks of this node are here.
    /// - Throws: `MPIError`.
    public func nodeBarrier() throws(MPIError) {
        guard let node, localSize > 1 else { return }
        try waiting { () throws(MPIError) in try check(MPI_Barrier(node), "MPI_Barrier") }
    }

    /// The largest of what the ranks of this node give; no rank goes on before all have called this.
    /// - Throws: `MPIError`.
    public func nodeMax(_ value: Int64) throws(MPIError) -> Int64 {
        guard let node, localSize > 1 else { return value }
        var value = value
        try waiting { () throws(MPIError) in
            try check(MPI_Allreduce(ompi_in_place(), &value, 1, ompi_int64(), ompi_max(), node), "MPI_Allreduce")
        }
        return value
    }

    /// Puts rank 0's bytes in the place of those of the first rank of every other node, as with memory that the ranks of each share;
    /// every rank must call this, and none goes on before those of its node may read them.
    /// - Parameter bytes: as many on each rank.
    /// - Throws: `MPIError`.
    public func broadcastToNodes(_ bytes: UnsafeMutableRawBufferPointer) throws(MPIError) {
        if let firsts { try broadcast(bytes, from: 0, over: firsts) }
        try nodeBarrier()
    }
}
