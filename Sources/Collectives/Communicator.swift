internal import COpenMPI
import Foundation

/// The ranks of a job, or one process alone: the trainer runs the same code on both.
///
/// Every collective call must be made by all ranks, in the same order, from the thread that started MPI (the type is
/// not Sendable, so the compiler holds callers to that). With one process alone no call touches MPI, and each leaves
/// its values as they are.
public struct Communicator {
    /// This process's number, from 0, and how many there are.
    public let rank: Int, size: Int
    /// This process's number among those that share its node's memory, and how many these are.
    public let localRank: Int, localSize: Int
    /// The names of the hosts, by rank: for people, since ranks of one node may have names of their own (containers).
    public let hostNames: [String]
    /// The first rank of each rank's node, by rank: two ranks are of one node where these are the same.
    public let nodes: [Int]
    /// How far each rank of this node has come.
    public let board: ProgressBoard
    /// MPI's handles of all ranks, of this node's, and of the first ranks of all nodes, which other ranks do not have; nil for one
    /// process alone.
    let handle: MPI_Comm?, node: MPI_Comm?, firsts: MPI_Comm?

    /// The name of this rank's host.
    public var hostName: String { hostNames[rank] }

    /// Most bytes of one MPI call: longer values go in pieces, so that MPI's own buffers stay small.
    static let pieceBytes = 16 << 20

    /// One process by itself; MPI is not initialised.
    public static func alone() -> Communicator {
        Communicator(
            rank: 0, size: 1, localRank: 0, localSize: 1, hostNames: [ownHostName()], nodes: [0],
            board: ProgressBoard(rank: 0), handle: nil, node: nil, firsts: nil)
    }

    /// All ranks of this job if the process was launched as one of them, else the process alone.
    /// - Throws: `MPIError` where MPI cannot start.
    public static func ofThisLaunch() throws(MPIError) -> Communicator { ranksExpected() ? try start() : alone() }

    /// Starts MPI with calls from one thread only (MPI_THREAD_FUNNELED) and errors returned; once in a process.
    /// - Throws: `MPIError` where MPI cannot start.
    public static func start() throws(MPIError) -> Communicator {
        var level: Int32 = 0
        let code = MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &level)
        guard code == MPI_SUCCESS else {
            throw MPIError(
                call: "MPI_Init_thread", code: Int(code), text: "MPI cannot start; try `mpirun -n 2 hostname`")
        }
        guard level >= Int32(MPI_THREAD_FUNNELED) else {
            throw MPIError(
                call: "MPI_Init_thread", code: Int(level),
                text: "this MPI library forbids threads (level \(level)); one with MPI_THREAD_FUNNELED is needed")
        }
        let world = ompi_comm_world()!
        try check(MPI_Comm_set_errhandler(world, ompi_errors_return()), "MPI_Comm_set_errhandler")
        let (rank, size) = try place(in: world)

        var node: MPI_Comm?
        try check(
            MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), ompi_info_null(), &node),
            "MPI_Comm_split_type")
        let (localRank, localSize) = try place(in: node!)
        let board = try ProgressBoard.shared(by: node!, count: localSize, own: localRank, rank: rank)
        var firsts: MPI_Comm?
        try check(
            MPI_Comm_split(world, localRank == 0 ? 0 : Int32(MPI_UNDEFINED), Int32(rank), &firsts), "MPI_Comm_split")
        if localRank > 0 { firsts = nil }
        for handle in [node, firsts] {
            guard let handle else { continue }
            try check(MPI_Comm_set_errhandler(handle, ompi_errors_return()), "MPI_Comm_set_errhandler")
        }

        let unnamed = Communicator(
            rank: rank, size: size, localRank: localRank, localSize: localSize, hostNames: [], nodes: [], board: board,
            handle: world, node: node, firsts: firsts)
        let names = try unnamed.allGather(Array(ownHostName().utf8)).map { String(decoding: $0, as: UTF8.self) }
        let nodes = try unnamed.allGather(unnamed.broadcastOnNode([rank])).joined()
        return Communicator(
            rank: rank, size: size, localRank: localRank, localSize: localSize, hostNames: names, nodes: Array(nodes),
            board: board, handle: world, node: node, firsts: firsts)
    }

    /// Calls `body`, which waits for other ranks, and says so on the board meanwhile.
    func waiting<Result>(_ body: () throws(MPIError) -> Result) throws(MPIError) -> Result {
        board.setWaiting(true)
        defer { board.setWaiting(false) }
        return try body()
    }

    /// Ends MPI after all ranks have called this; no collective call may follow. Nothing for one process alone.
    /// - Throws: `MPIError`.
    public func finish() throws(MPIError) {
        guard handle != nil else { return }
        let code = MPI_Finalize()
        guard code == MPI_SUCCESS else {
            throw MPIError(call: "MPI_Finalize", code: Int(code), text: "MPI did not end in order")
        }
    }

    /// Ends every rank at once, whatever the others are doing, with this exit code (1 to 255). Prints nothing of its
    /// own: say what happened before.
    public func abort(code: Int32) -> Never {
        precondition((1...255).contains(code), "an exit code is 1 to 255, found \(code)")
        fflush(nil)
        if let handle { _ = MPI_Abort(handle, code) }
        _exit(code)
    }

    /// Rank and size of a communicator.
    private static func place(in handle: MPI_Comm) throws(MPIError) -> (rank: Int, size: Int) {
        var rank: Int32 = 0
        var size: Int32 = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        return (Int(rank), Int(size))
    }

    /// The name that the kernel gives this host.
    private static func ownHostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unnamed" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
