import Foundation

/// What a process holds in memory, in bytes, as Linux counts it.
public struct ProcessMemory: Sendable, Equatable, BitwiseCopyable {
    /// Pages that no other process maps, and pages that others map too. A model's file counts as private where one process
    /// alone maps it.
    public var privateBytes: Int, sharedBytes: Int
    /// The process's part of all memory: a page that n processes map counts 1/n.
    public var proportionalBytes: Int
    /// Pages that no file backs: what the process would hold if another mapped the model too.
    public var anonymousBytes: Int
    /// The process's parts of anonymous memory, and of memory that it shares with others and no file on a disk backs.
    public var proportionalAnonymousBytes: Int, proportionalSharedBytes: Int
    /// The most that was ever resident.
    public var peakBytes: Int

    /// Reads /proc/self/smaps_rollup and /proc/self/status; what is not there counts 0.
    public static func own() -> ProcessMemory {
        func text(_ name: String) -> String {
            (try? String(contentsOfFile: "/proc/self/\(name)", encoding: .utf8)) ?? ""
        }
        return ProcessMemory(rollup: text("smaps_rollup"), status: text("status"))
    }

    /// - Parameters:
    ///   - rollup: the text of smaps_rollup.
    ///   - status: the text of status.
    init(rollup: String, status: String) {
        let pages = kibibytes(rollup)
        func bytes(_ names: String...) -> Int { names.reduce(0) { $0 + (pages[$1] ?? 0) } << 10 }
        privateBytes = bytes("Private_Clean", "Private_Dirty", "Private_Hugetlb")
        sharedBytes = bytes("Shared_Clean", "Shared_Dirty", "Shared_Hugetlb")
        proportionalBytes = bytes("Pss")
        anonymousBytes = bytes("Anonymous")
        proportionalAnonymousBytes = bytes(pages["Pss_Anon"] == nil ? "Anonymous" : "Pss_Anon")
        proportionalSharedBytes = bytes("Pss_Shmem")
        peakBytes = (kibibytes(status)["VmHWM"] ?? 0) << 10
    }

    /// The sum of what two processes hold.
    static func + (a: ProcessMemory, b: ProcessMemory) -> ProcessMemory {
        var sum = a
        sum.privateBytes += b.privateBytes
        sum.sharedBytes += b.sharedBytes
        sum.proportionalBytes += b.proportionalBytes
        sum.anonymousBytes += b.anonymousBytes
        sum.proportionalAnonymousBytes += b.proportionalAnonymousBytes
        sum.proportionalSharedBytes += b.proportionalSharedBytes
        sum.peakBytes += b.peakBytes
        return sum
    }
}

/// The lines `Name: 12 kB` of a text.
private func kibibytes(_ text: String) -> [String: Int] {
    var found: [String: Int] = [:]
    for line in text.split(separator: "\n") where line.hasSuffix(" kB") {
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { continue }
        found[String(parts[0])] = Int(parts[1].dropLast(3).trimmingCharacters(in: .whitespaces))
    }
    return found
}
