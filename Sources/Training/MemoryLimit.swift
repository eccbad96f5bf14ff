import Foundation

/// Bytes that a process on this host can still get: what the kernel says is available, or what the limits of its control groups
/// leave if that is less; nil where neither is to be read.
/// - Parameter root: the folder of `proc` and `sys`.
/// - Returns: bytes.
func availableMemory(root: String = "") -> Int? {
    let memory = text(root + "/proc/meminfo")
    var least: Int?
    if let line = memory.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
        let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    {
        least = kibibytes * 1024
    }
    for line in text(root + "/proc/self/cgroup").split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { continue }
        let isV2 = parts[0] == "0" && parts[1].isEmpty
        guard isV2 || parts[1].split(separator: ",").contains("memory") else { continue }
        let top = root + "/sys/fs/cgroup" + (isV2 ? "" : "/memory")
        // A limit of a group above holds too; the group's own folder may not be seen from within a container, but its root is.
        var path = parts[2].split(separator: "/")
        while true {
            let folder = ([Substring(top)] + path).joined(separator: "/")
            if let left = memoryLeft(inGroup: folder, isV2: isV2) { least = min(least ?? .max, left) }
            if path.popLast() == nil { break }
        }
    }
    return least
}

/// What the limit of a control group leaves; nil if it has none.
private func memoryLeft(inGroup folder: String, isV2: Bool) -> Int? {
    func number(_ name: String) -> Int? {
        Int(text("\(folder)/\(name)").trimmingCharacters(in: .whitespacesAndNewlines))
    }
    guard let most = number(isV2 ? "memory.max" : "memory.limit_in_bytes"),
        let used = number(isV2 ? "memory.current" : "memory.usage_in_bytes")
    else { return nil }
    // Pages of files can be given back, as MemAvailable knows too.
    let names = (isV2 ? "" : "total_")
    let files = text("\(folder)/memory.stat").split(separator: "\n").reduce(0) { sum, line in
        let isFile = line.hasPrefix(names + "active_file ") || line.hasPrefix(names + "inactive_file ")
        return sum + (isFile ? line.split(separator: " ").last.flatMap { Int($0) } ?? 0 : 0)
    }
    return max(0, most - max(0, used - files))
}

private func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

/// For people.
func gibibytes(_ bytes: Int) -> String { String(format: "%.2f GiB", Double(bytes) / Double(1 << 30)) }
