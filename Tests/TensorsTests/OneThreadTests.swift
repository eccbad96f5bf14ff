import COpenBLAS
import Foundation
import Tensors
import Testing

/// OpenBLAS is held to one thread whatever is called first. Each call needs a process of its own, in which nothing was called yet.
@Suite struct OneThreadTests {
    @Test(arguments: FirstCall.allCases) func firstCallOfAProcess(_ kind: FirstCall) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["--testing-library", "swift-testing", "--filter", "TensorsTests.FirstCallTests"]
        process.environment = ProcessInfo.processInfo.environment
        for name in ["OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"] { process.environment?[name] = nil }
        process.environment?[FirstCall.variable] = kind.rawValue
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && output.contains("madeByThisProcess() passed"), "\(output)")
    }
}

/// The call that a process makes first.
enum FirstCall: String, CaseIterable, Sendable {
    case product, exactFactors, iteratedFactors

    static let variable = "TENSORS_TESTS_FIRST_CALL"
    /// That of this process; nil where it runs tests of all kinds.
    static let here = ProcessInfo.processInfo.environment[variable].flatMap(Self.init(rawValue:))
}

/// Makes one call in a process that `OneThreadTests` starts for it.
@Suite(.enabled(if: FirstCall.here != nil, "OneThreadTests runs this in a process of its own")) struct FirstCallTests {
    @Test func madeByThisProcess() throws {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        #expect((openblas_get_num_threads() > 1) == (cores > 1))
        let weight = StoredMatrix(rows: 4, columns: 6, values: (0..<24).map { Float($0 % 7) })
        switch try #require(FirstCall.here) {
        case .product:
            let arena = Arena(bytes: 4096)
            let x = arena.matrix(3, 3, [Float](repeating: 1, count: 9))
            gemm(x, x, into: arena.matrix(3, 3))
        case .exactFactors: _ = try principalFactors(of: weight, rank: 2, scale: 1, method: .exact)
        case .iteratedFactors:
            let random = CounterRandom(seed: 1, purpose: 2)
            _ = try principalFactors(of: weight, rank: 2, scale: 1, method: .iterated(1, random))
        }
        #expect(openblas_get_num_threads() == 1)
    }
}
