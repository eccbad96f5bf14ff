import Foundation
import Testing

/// A run of the program while it goes on.
final class Launch {
    private let process = Process()
    private let output: TemporaryFolder
    private let command: [String]
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the program.
    /// - Parameters:
    ///   - arguments: what stands after its name.
    ///   - ranks: how many ranks mpirun starts; nil for one process without mpirun.
    ///   - folder: the current folder.
    ///   - shell: what a shell does before it becomes the program, such as setting limits.
    /// - Throws: if it cannot be started.
    init(_ arguments: [String], ranks: Int? = nil, in folder: String, shell: String? = nil) throws {
        var command = (ranks.map(mpirun) ?? []) + [executable] + arguments
        if let shell { command = ["bash", "-c", "\(shell); exec \"$@\"", "bash"] + command }
        self.command = command
        output = try TemporaryFolder()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: output.write("", to: "stderr")))
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = launchEnvironment
        let ended = ended
        process.terminationHandler = { _ in ended.signal() }
        // The threads that run tests hold all signals back, and what they start would do so too.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    var stderr: String { (try? String(contentsOfFile: output.path + "/stderr", encoding: .utf8)) ?? "" }

    /// The processes of the ranks, ascending.
    var ranks: [Int32] { RunWatch.processes(below: process.processIdentifier).sorted() }

    /// Sends a signal to mpirun, or to the process by itself.
    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until something holds, at most 30 s.
    func wait(until condition: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(30)
        while try !condition() {
            guard ContinuousClock.now < end, process.isRunning else {
                throw TinyRun.Unexpected(description: "it never came to that: \(command)\n\(stderr)")
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// Waits for the end, at most so many seconds.
    func end(within limit: Double) throws -> Outcome {
        let begin = ContinuousClock.now
        if ended.wait(timeout: .now() + limit) == .timedOut {
            for rank in ranks { kill(rank, SIGKILL) }
            process.terminate()
            throw TinyRun.Unexpected(description: "still runs after \(limit) s: \(command)\n\(stderr)")
        }
        return Outcome(
            exitCode: process.terminationStatus, stdout: "", stderr: stderr,
            seconds: (ContinuousClock.now - begin) / .seconds(1))
    }
}
