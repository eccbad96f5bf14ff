import Foundation
import Testing

/// The tests that run the program: one at a time, because each is given only so many seconds.
@Suite(.serialized) enum ProgramTests {}

/// What a run of the program left.
struct Outcome: Sendable, CustomStringConvertible {
    var exitCode: Int32
    var stdout: String, stderr: String
    /// Wall time, with mpirun's own.
    var seconds: Double

    /// How many messages of an error there are.
    var errors: [Substring] { stderr.split(separator: "\n").filter { $0.contains("Error: ") } }
    var description: String { "exit code \(exitCode) after \(seconds) s\nstdout: \(stdout)\nstderr: \(stderr)" }
}

/// A folder of a test's own, removed with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lora-dist-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, with the folders on the way to it.
    /// - Returns: its path.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        try write(Data(text.utf8), to: name)
    }

    /// Writes a file, with the folders on the way to it.
    /// - Returns: its path.
    @discardableResult
    func write(_ data: Data, to name: String) throws -> String {
        let file = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
        return file.path
    }
}

/// The program, which the build puts beside the test bundle.
let executable: String = {
    let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return bundle.deletingLastPathComponent().appendingPathComponent("lora-dist").path
}()

/// What a launched program finds in its environment: nothing of a launcher that runs these tests.
let launchEnvironment: [String: String] = {
    var environment = ProcessInfo.processInfo.environment
    for name in environment.keys where name.hasPrefix("OMPI_") || name.hasPrefix("PMIX_") { environment[name] = nil }
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment["COLUMNS"] = "80"
    return environment
}()

/// Runs the program to its end.
/// - Parameters:
///   - arguments: what stands after its name.
///   - ranks: how many ranks mpirun starts; nil for one process without mpirun.
///   - folder: the current folder.
///   - perRank: arguments of single ranks in place of `arguments`; by rank.
///   - limit: seconds after which the run is ended and the test fails.
///   - wrapper: a command that becomes the program, which stands behind it.
/// - Returns: what it left.
/// - Throws: if it cannot be started.
func run(
    _ arguments: [String], ranks: Int? = nil, in folder: String? = nil, perRank: [[String]]? = nil,
    limit: Double = 120, wrapper: [String] = []
) throws -> Outcome {
    var command = wrapper + [executable] + arguments
    if let perRank {
        command = ["mpirun", "--oversubscribe", "--bind-to", "none"]
        for (rank, own) in perRank.enumerated() {
            command += (rank > 0 ? [":"] : []) + ["-n", "1"] + wrapper + [executable] + own
        }
    } else if let ranks {
        command = ["mpirun", "-n", "\(ranks)", "--oversubscribe", "--bind-to", "none"] + command
    }
    let output = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output.write("", to: "stdout")))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: output.write("", to: "stderr")))
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    process.environment = launchEnvironment

    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    let begin = ContinuousClock.now
    try process.run()
    if ended.wait(timeout: .now() + limit) == .timedOut {
        Issue.record("\(command.joined(separator: " ")) still runs after \(limit) s")
        process.terminate()
        ended.wait()
    }
    let seconds = (ContinuousClock.now - begin) / .seconds(1)
    return Outcome(
        exitCode: process.terminationStatus,
        stdout: try String(contentsOfFile: output.path + "/stdout", encoding: .utf8),
        stderr: try String(contentsOfFile: output.path + "/stderr", encoding: .utf8), seconds: seconds)
}

/// Runs the program as one process and on two ranks, and expects each time this exit code, nothing on stdout, and
/// within 5 seconds one message that contains these texts.
func expectRefusal(
    _ arguments: [String], code: Int32, _ texts: [String], in folder: String, ranks: [Int?] = [nil, 2],
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    for count in ranks {
        let outcome = try run(arguments, ranks: count, in: folder)
        let place = Comment(rawValue: "\(arguments), ranks \(count ?? 0): \(outcome)")
        #expect(outcome.exitCode == code, place, sourceLocation: sourceLocation)
        #expect(outcome.stdout.isEmpty, place, sourceLocation: sourceLocation)
        #expect(outcome.errors.count == 1, place, sourceLocation: sourceLocation)
        for text in texts {
            #expect(outcome.errors.first?.contains(text) == true, place, sourceLocation: sourceLocation)
        }
        #expect(outcome.seconds < 5, place, sourceLocation: sourceLocation)
    }
}

/// Becomes what stands behind it, in a host name of its own for each rank.
let namingHosts = [
    "unshare", "--uts", "sh", "-c", "hostname rank$OMPI_COMM_WORLD_RANK && exec \"$@\"", "sh",
]

/// May this user give processes a host name of their own?
let mayNameHosts: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = namingHosts + ["true"]
    process.standardError = FileHandle.nullDevice
    try? process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
}()
