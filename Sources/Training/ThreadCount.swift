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

/// Threads of each rank without oversubscription: the ranks of a node that may use the same cores share them.
/// - Parameters:
///   - rank: the one that asks.
///   - nodes: of every rank.
///   - masks: of every rank.
///   - cores: that the mask of `rank` allows.
/// - Returns: at least 1.
func threadShare(rank: Int, nodes: [Int], masks: [AffinityMask], cores: Int) -> Int {
    let sharing = nodes.indices.count { nodes[$0] == nodes[rank] && masks[$0] == masks[rank] }
    return max(1, cores / max(1, sharing))
}

extension Communicator {
    /// Threads for this rank: those asked for, else its share of the cores that it may use. Every rank calls this.
    func threads(requested: Int?) throws -> Int {
        let own = AffinityMask.own()
        let masks = try allGather(Array(own.text.utf8)).map { AffinityMask(text: String(decoding: $0, as: UTF8.self)) }
        return requested ?? threadShare(rank: rank, nodes: nodes, masks: masks, cores: own.cores())
    }
}
