import Foundation
import Testing

/// The processes of a run while it goes on, as /proc shows them.
struct RunWatch {
    /// Wall time of the launch, in seconds since 1970.
    let launch: Double
    /// Wall time of the whole run.
    let seconds: Double
    let exitCode: Int32
    let stderr: String
    /// The most that all ranks together had in private dirty pages at one moment, in bytes; and at how many moments all
    /// ranks were seen.
    let privateDirty: Int, moments: Int

    /// Runs the program to its end.
    /// - Parameters:
    ///   - command: the program and its arguments, or a launcher's.
    ///   - ranks: how many processes of the program are expected.
    ///   - folder: the current folder.
    ///   - watchesMemory: samples the processes all the time; without, they run undisturbed.
    /// - Throws: if it cannot be started.
    init(_ command: [String], ranks: Int, in folder: String, watchesMemory: Bool) throws {
        let output = try TemporaryFolder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(
            forWritingTo: URL(fileURLWithPath: output.write("", to: "stderr")))
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = launchEnvironment
        launch = Date().timeIntervalSince1970
        try process.run()
        var (most, moments) = (0, 0)
        while watchesMemory, process.isRunning {
            let sizes = Self.processes(below: process.processIdentifier).compactMap(Self.privateDirty)
            if sizes.count == ranks {
                most = max(most, sizes.reduce(0, +))
                moments += 1
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
        process.waitUntilExit()
        seconds = Date().timeIntervalSince1970 - launch
        exitCode = process.terminationStatus
        stderr = try String(contentsOfFile: output.path + "/stderr", encoding: .utf8)
        privateDirty = most
        self.moments = moments
    }

    /// The processes that run the program: a process and all that descend from it.
    static func processes(below root: Int32) -> [Int32] {
        var children: [Int32: [Int32]] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let id = Int32(name), let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
                let fields = stat.split(separator: ")").last?.split(separator: " "), fields.count > 1,
                let parent = Int32(fields[1])
            else { continue }
            children[parent, default: []].append(id)
        }
        var found = [root]
        var next = 0
        while next < found.count {
            found += children[found[next]] ?? []
            next += 1
        }
        return found.filter { id in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/exe")) == executable
        }
    }

    /// Bytes of a process's own pages that it has written; nil if it is gone.
    private static func privateDirty(of id: Int32) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/smaps_rollup", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("Private_Dirty:") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 << 10 }
        }
        return nil
    }
}

/// What mpirun puts before the program on this machine.
func mpirun(_ ranks: Int) -> [String] { ["mpirun", "-n", "\(ranks)", "--oversubscribe", "--bind-to", "none"] }

/// SmolLM2-135M-Instruct, which launch/model.sh fetches.
var smolLM2: String {
    let cache = ProcessInfo.processInfo.environment["LORA_DIST_CACHE"] ?? NSHomeDirectory() + "/.cache/lora-dist"
    return cache + "/SmolLM2-135M-Instruct.Q4_1.gguf"
}

/// How much longer code may take without optimisation.
#if DEBUG
    let slowness = 30.0
#else
    let slowness = 1.0
#endif
