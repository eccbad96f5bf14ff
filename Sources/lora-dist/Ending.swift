import ArgumentParser
import Collectives
import Foundation
import Training

/// Leaves it to rank 0 to say what went wrong: where it finds the same, it ends the job, and with it this process, long
/// before this returns. A rank that is still there then is alone with its error, but for ranks above it, which wait
/// longer.
/// - Parameters:
///   - rank: this process's.
///   - seconds: the time for rank 0.
private func waitForRankZero(_ rank: Int, seconds: Double) {
    if rank > 0 { Thread.sleep(forTimeInterval: seconds + min(1, 0.1 * Double(rank))) }
}

/// Ends the process with an error from before MPI starts, or with a help text. Rank 0 says what all ranks found; another
/// rank speaks, with its number and host, only if rank 0 has not ended the job.
func endBeforeRanksMeet(_ error: any Error) -> Never {
    let code = exitCode(for: error)
    let rank = launchedRank ?? 0
    guard code != 0 else {
        if rank == 0 { writeResult(LoraDist.fullMessage(for: error)) }
        exit(0)
    }
    if rank == 0 {
        writeError(message(of: error))
    } else {
        waitForRankZero(rank, seconds: 2)
        writeError(message(of: error, prefix: "rank \(rank) on \(hostName()): "))
    }
    exit(code)
}

/// Does a command's work on the ranks of this launch, or in this process alone, and ends MPI.
///
/// An error does not return: what all ranks know of is said by rank 0, what one rank found by that rank with its number
/// and host; then the job ends with the error's exit code.
func onAllRanks(_ work: (Communicator) throws -> Void) throws {
    let world = try Communicator.ofThisLaunch()
    do {
        try work(world)
        try world.finish()
    } catch let error as SharedError {
        if world.rank == 0 {
            writeError(error.exitCode == stoppedExitCode ? printable(error.description) : message(of: error))
        }
        do { try world.finish() } catch { world.abort(code: 1) }
        exit(error.exitCode)
    } catch {
        waitForRankZero(world.rank, seconds: 1)
        let prefix = world.size > 1 ? "rank \(world.rank) on \(world.hostName): " : ""
        writeError(message(of: error, prefix: prefix))
        world.abort(code: Training.exitCode(of: error))
    }
}

/// The exit code for any error of a command: ArgumentParser's 64 for wrong usage is 2 here.
private func exitCode(for error: any Error) -> Int32 {
    if error is any UserFacingError { return Training.exitCode(of: error) }
    let code = LoraDist.exitCode(for: error)
    return code == .validationFailure ? 2 : code.rawValue
}

private func message(of error: any Error, prefix: String = "") -> String {
    if error is any UserFacingError || LoraDist.exitCode(for: error) != .validationFailure {
        return "Error: \(prefix)\(printable("\(error)", keepsLines: true, limit: 4000))"
    }
    return prefix + printable(LoraDist.fullMessage(for: error), keepsLines: true)
}

/// The name of this host, before MPI tells it.
private func hostName() -> String {
    let name = try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
    return name.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } ?? "an unnamed host"
}
