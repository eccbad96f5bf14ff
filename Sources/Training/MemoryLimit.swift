import Collectives
import Foundation

/// Bytes that a process on this host can still get: what the kernel says is available, or what the limit of its control group
/// leaves if that is less; nil where neither is to be read.
func availableMemory() -> Int? {
    func number(_ path: String) -> Int? {
        (try? String(contentsOfFile: path, encoding: .utf8)).flatMap {
            Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }
    var least: Int?
    let memory = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    if let line = memory.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
        let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    {
        least = kibibytes * 1024
    }
    let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    if let own = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::") })?.dropFirst(3) {
        let folder = "/sys/fs/cgroup" + own
        if let most = number(folder + "/memory.max"), let used = number(folder + "/memory.current") {
            // Pages of files can be given back, as MemAvailable knows too.
            let statistics = (try? String(contentsOfFile: folder + "/memory.stat", encoding: .utf8)) ?? ""
            let files = statistics.split(separator: "\n").reduce(0) { sum, line in
                let isFile = line.hasPrefix("active_file ") || line.hasPrefix("inactive_file ")
                return sum + (isFile ? line.split(separator: " ").last.flatMap { Int($0) } ?? 0 : 0)
            }
            least = min(least ?? .max, max(0, most - used + files))
        }
    }
    return least
}

/// What is wrong with asking for `bytes` on each of so many ranks of a host with so much memory left; nil if it fits.
func memoryRefusal(_ bytes: Int, ranks: Int, host: String, available: Int?, tokens: Int, savesAll: Bool) -> ConfigError?
{
    guard let available, bytes > available / max(1, ranks) else { return nil }
    func gibibytes(_ bytes: Int) -> String { String(format: "%.2f GiB", Double(bytes) / Double(1 << 30)) }
    return ConfigError(
        key: "training.micro_batch_tokens",
        reason:
            "a micro-batch of \(tokens) tokens needs \(gibibytes(bytes)) on each of \(ranks) ranks of \(host), where "
            + "\(gibibytes(available)) are free; lower it (or data.max_length, if a single example is that long), start "
            + "fewer ranks a node" + (savesAll ? ", or set training.activation_checkpointing: block" : ""))
}

extension Communicator {
    /// What to say where the ranks of a host run more threads than the cores that they may use; nil elsewhere. Every rank calls
    /// this with its own threads.
    func threadWarning(threads: Int) throws -> String? {
        let own = AffinityMask.own()
        let counts = try allGather([threads, own.cores()])
        let masks = try allGather(Array(own.text.utf8)).map { AffinityMask(text: String(decoding: $0, as: UTF8.self)) }
        for first in 0..<size {
            let sharing = (0..<size).filter { hostNames[$0] == hostNames[first] && masks[$0] == masks[first] }
            let sum = sharing.reduce(0) { $0 + counts[$1][0] }
            if sum > counts[first][1] {
                return "\(sum) threads share \(counts[first][1]) cores on \(hostNames[first]): each waits for others; "
                    + "leave out --threads, or start fewer ranks"
            }
        }
        return nil
    }
}
