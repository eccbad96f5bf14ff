import Collectives
import Foundation
import Testing

/// Starts this test program again under mpirun.
@Suite(.serialized, .enabled(if: !ranksExpected(), "a rank does not launch ranks"))
struct LaunchTests {
    @Test(arguments: 1...4)
    func allRanksAgree(ranks: Int) throws {
        let run = try mpirun(ranks, filter: "CollectivesTests.RankTests")
        #expect(run.exitCode == 0, "\(run.output)")
        let passed = run.output.components(separatedBy: "Test broadcastFromEveryRank() passed").count - 1
        #expect(passed == ranks, "each rank runs the tests; \(run.output)")
    }

    @Test(arguments: [(2, 0, 3), (4, 2, 75)])
    func oneRankEndsAll(ranks: Int, aborting: Int, exitCode: Int) throws {
        let begin = ContinuousClock.now
        let run = try mpirun(
            ranks, filter: "CollectivesTests.AbortTests/abort",
            variables: [AbortTests.rankVariable: String(aborting), AbortTests.codeVariable: String(exitCode)])
        #expect(Int(run.exitCode) == exitCode, "\(run.output)")
        #expect(ContinuousClock.now - begin < .seconds(20))
    }

    /// Runs the tests that match on several ranks, at most a minute.
    private func mpirun(_ ranks: Int, filter: String, variables: [String: String] = [:]) throws -> (
        exitCode: Int32, output: String
    ) {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("ranks-\(UUID().uuidString)")
        #expect(FileManager.default.createFile(atPath: output.path, contents: nil))
        defer { try? FileManager.default.removeItem(at: output) }
        let handle = try FileHandle(forWritingTo: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["timeout", "--kill-after=5", "60", "mpirun", "-n", String(ranks), "--oversubscribe", "--bind-to", "none"]
            + [program, "--testing-library", "swift-testing", "--filter", filter]
        process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
            .merging(["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        try handle.close()
        return (process.terminationStatus, try String(contentsOf: output, encoding: .utf8))
    }
}

/// One rank aborts while the others wait for it; run by `LaunchTests`, which watches how the job ends.
@MainActor @Suite
struct AbortTests {
    static nonisolated let rankVariable = "COLLECTIVES_TESTS_ABORTING_RANK"
    static nonisolated let codeVariable = "COLLECTIVES_TESTS_EXIT_CODE"

    @Test(.enabled(if: ranksExpected(), "LaunchTests runs this on several ranks"))
    func abort() throws {
        let variables = ProcessInfo.processInfo.environment
        let aborting = try #require(variables[Self.rankVariable].flatMap { Int($0) })
        let code = try #require(variables[Self.codeVariable].flatMap { Int32($0) })
        let world = try Communicator.start()
        if world.rank == aborting { world.abort(code: code) }
        try world.barrier()
        Issue.record("the barrier returned on rank \(world.rank) though rank \(aborting) never reached it")
    }

    @Test func oneProcessAloneEndsWithTheCode() async {
        await #expect(processExitsWith: .exitCode(75)) { Communicator.alone().abort(code: 75) }
    }
}
