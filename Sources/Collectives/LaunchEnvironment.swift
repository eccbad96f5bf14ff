import Foundation

/// What the launcher (mpirun or srun) tells a process through its environment, before MPI starts.
public struct LaunchEnvironment: Sendable, Equatable {
    /// This process's rank.
    public let rank: Int
    /// The number of ranks, where the launcher says it.
    public let size: Int?
    /// This process's rank among those on its node, where the launcher says it.
    public let localRank: Int?
    /// The number of ranks on this node, where the launcher says it.
    public let localSize: Int?

    /// Reads the variables of Open MPI's mpirun (`OMPI_COMM_WORLD_…`), else of a PMIx launcher such as
    /// `srun --mpi=pmix` (`PMIX_RANK`, with Slurm's own counts beside it).
    /// - Returns: nil if the process was not started as a rank of a job.
    public init?(_ variables: [String: String]) {
        func number(_ name: String) -> Int? { variables[name].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }
        if let rank = number("OMPI_COMM_WORLD_RANK") {
            self.rank = rank
            size = number("OMPI_COMM_WORLD_SIZE")
            localRank = number("OMPI_COMM_WORLD_LOCAL_RANK")
            localSize = number("OMPI_COMM_WORLD_LOCAL_SIZE")
        } else if let rank = number("PMIX_RANK") {
            self.rank = rank
            size = number("SLURM_STEP_NUM_TASKS")
            localRank = number("SLURM_LOCALID")
            localSize = nil
        } else {
            return nil
        }
    }

    /// How many processes the launcher started, where each of them would take itself for the only one: another MPI's mpirun, or srun
    /// without PMIx. Nil if there is no sign of that.
    /// - Parameters:
    ///   - variables: of the environment.
    ///   - size: the ranks that this program's MPI knows of.
    /// - Returns: the count.
    public static func strangers(_ variables: [String: String], size: Int) -> Int? {
        guard size == 1, variables["OMPI_COMM_WORLD_SIZE"] == nil else { return nil }
        // Slurm's steps; MPICH's and Intel's launchers; PMI's own name of the size.
        let counts = ["SLURM_STEP_NUM_TASKS", "PMI_SIZE", "MPI_LOCALNRANKS"].compactMap {
            variables[$0].flatMap { Int($0) }
        }
        return counts.first { $0 > 1 }
    }

    /// What this process was told; nil if it was started by itself.
    public static var current: LaunchEnvironment? { LaunchEnvironment(ProcessInfo.processInfo.environment) }
}

/// Whether this process was started as a rank of a job, so that MPI must be started.
public func ranksExpected() -> Bool { LaunchEnvironment.current != nil }

/// The rank that the launcher gave this process; nil if it was started by itself.
public var launchedRank: Int? { LaunchEnvironment.current?.rank }
