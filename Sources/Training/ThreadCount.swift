import Foundation

/// The cores of this process's affinity mask, as the kernel states it in /proc/self/status.
public func affinityCores() -> Int {
    let cores = ProcessInfo.processInfo.processorCount
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
    else { return cores }
    let allowed = line.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
    return max(1, min(allowed, cores))
}

/// The cores of this node.
public func nodeCoreCount() -> Int { ProcessInfo.processInfo.processorCount }

/// Threads of a rank: what is asked for, else its share of the cores that the ranks of its node may use, without
/// oversubscription. A mask that is narrower than the node's ranks would need was set for this rank alone.
/// - Parameters:
///   - requested: threads asked for, or nil.
///   - localRanks: ranks on this node.
///   - allowedCores: cores of this process's affinity mask.
///   - nodeCores: cores of the node.
/// - Returns: at least 1.
public func threadCount(
    requested: Int?, localRanks: Int, allowedCores: Int = affinityCores(), nodeCores: Int = nodeCoreCount()
) -> Int {
    if let requested { return requested }
    let isShared = allowedCores >= nodeCores || allowedCores >= localRanks
    return max(1, isShared ? allowedCores / max(1, localRanks) : allowedCores)
}
