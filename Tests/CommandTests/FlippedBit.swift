import Foundation

/// Flips the lowest bit of numbers in the memory of another process, as a fault of its memory would.
/// - Parameters:
///   - process: a process that this one has started, at rest.
///   - bytes: Floats; a run of numbers that are all within 0.01 of these is what is looked for.
/// - Returns: whether any was found.
func flip(in process: Int32, near bytes: [UInt8]) -> Bool {
    let wanted = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let memory = open("/proc/\(process)/mem", O_RDWR)
    guard memory >= 0 else { return false }
    defer { close(memory) }
    // To its end: such a file has no size that would tell how much there is.
    guard let text = try? FileHandle(forReadingAtPath: "/proc/\(process)/maps")?.readToEnd() else { return false }
    let maps = String(decoding: text, as: UTF8.self)
    var found = false
    for line in maps.split(separator: "\n") {
        let fields = line.split(separator: " ", omittingEmptySubsequences: true)
        // Anonymous memory that the process writes to.
        guard fields.count < 6 || fields[5] == "[heap]", fields[1].hasPrefix("rw") else { continue }
        let ends = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        var region = [Float](repeating: 0, count: Int(ends[1] - ends[0]) / 4)
        let count = region.withUnsafeMutableBytes { pread(memory, $0.baseAddress, $0.count, off_t(ends[0])) }
        guard count > wanted.count * 4 else { continue }
        for place in 0..<(count / 4 - wanted.count) where isNear(region[place], wanted[0]) {
            guard wanted.indices.allSatisfy({ isNear(region[place + $0], wanted[$0]) }) else { continue }
            var other = region[place].bitPattern ^ 1
            found = pwrite(memory, &other, 4, off_t(ends[0]) + off_t(place * 4)) == 4 || found
        }
    }
    return found
}

private func isNear(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= 0.01 }
