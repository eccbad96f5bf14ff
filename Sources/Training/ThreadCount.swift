import Collectives
import Foundation

/// The cores that a process may run on.
struct AffinityMask: Equatable {
    /// As the kernel writes it: hexadecimal digits in groups.
    let text: String

    /// This process's, from /proc/self/status; empty where that is not to be read.
    static func own() -> AffinityMask {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
        return AffinityMask(text: line.dropFirst("Cpus_allowed:".count).trimmingCharacters(in: .whitespaces))
    }

    /// How many cores it allows, of those that the node has.
    func cores(ofNode count: Int = ProcessInfo.processInfo.processorCount) -> Int {
        let allowed = text.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        return allowed == 0 ? count : min(allowed, count)
    }
}

/// The ranks of a rank's node that may use the same cores, itself among them.
private func sharers(of rank: Int, nodes: [Int], masks: [AffinityMask]) -> [Int] {
    nodes.indices.filter { nodes[$0] == nodes[rank] && masks[$0] == masks[rank] }
}

/// Threads of each rank without oversubscription: the ranks of a node that may use the same cores share them.
/// - Parameters:
///   - rank: the one that asks.
///   - nodes: of every rank.
///   - masks: of every rank.
///   - cores: that the mask of `rank` allows.
/// - Returns: at least 1.
func threadShare(rank: Int, nodes: [Int], masks: [AffinityMask], cores: Int) -> Int {
    max(1, cores / sharers(of: rank, nodes: nodes, masks: masks).count)
}

extension Communicator {
    /// Threads for this rank: those asked for, else its share of the cores that it may use. Every rank calls this.
    func threads(requested: Int?) throws -> Int {
        let own = AffinityMask.own()
        let masks = try masks(own: own)
        return requested ?? threadShare(rank: rank, nodes: nodes, masks: masks, cores: own.cores())
    }

    /// What to say where the ranks of a node run more threads than the cores that they may use; nil elsewhere. Every rank calls
    /// this with its own threads.
    func threadWarning(threads: Int) throws -> String? {
        let own = AffinityMask.own()
        let counts = try allGather([threads, own.cores()])
        let masks = try masks(own: own)
        for first in 0..<size {
            let sum = sharers(of: first, nodes: nodes, masks: masks).reduce(0) { $0 + counts[$1][0] }
            if sum > counts[first][1] {
                return "\(sum) threads share \(counts[first][1]) cores on \(hostNames[first]): each waits for others; "
                    + "leave out --threads, or start fewer ranks"
            }
        }
        return nil
    }

    /// The masks of all ranks, by rank.
    private func masks(own: AffinityMask) throws -> [AffinityMask] {
        try allGather(Array(own.text.utf8)).map { AffinityMask(text: String(decoding: $0, as: UTF8.self)) }
    }
}
