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
        openblas_set_num_threads(2)
        // A build without threads stays at one.
        #expect(openblas_get_num_threads() == 2 || openblas_get_parallel() == OPENBLAS_SEQUENTIAL)
        let weight = StoredMatrix(rows: 4, columns: 6, values: (0..<24).map { Float($0 % 7) })
        switch try #require(FirstCall.here) {
        case .product:
            // Large enough for OpenBLAS to share it out, and on two threads.
            for _ in 0..<2 {
                let ended = DispatchSemaphore(value: 0)
                Thread {
                    let size = 512
                    let arena = Arena(bytes: 12 * size * size + 4096)
                    let x = arena.matrix(size, size, [Float](repeating: 1, count: size * size))
                    gemm(x, x, into: arena.matrix(size, size))
                    ended.signal()
                }.start()
                ended.wait()
            }
        case .exactFactors: _ = try principalFactors(of: weight, rank: 2, scale: 1, method: .exact)
        case .iteratedFactors:
            let random = CounterRandom(seed: 1, purpose: 2)
            _ = try principalFactors(of: weight, rank: 2, scale: 1, method: .iterated(1, random))
        }
        #expect(openblas_get_num_threads() == 1)
    }
}
