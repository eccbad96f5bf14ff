import Glibc
import Untrusted

/// The parser that `--parser=NAME` chooses; libFuzzer leaves arguments with two dashes alone.
private let parser: Parser = {
    let names = CommandLine.arguments.compactMap { $0.hasPrefix("--parser=") ? String($0.dropFirst(9)) : nil }
    guard let name = names.first, let parser = Parser(rawValue: name) else {
        let known = Parser.allCases.map(\.rawValue).joined(separator: " ")
        preconditionFailure("--parser=NAME is missing or unknown; known are \(known)")
    }
    return parser
}()

/// The most seconds of the processor's time for one input; other programs on the machine do not count.
private let longestTime = 1.0
/// The most memory that one input may need, in bytes.
private let mostMemory = 256 << 20

/// Bytes in memory now.
private var residentBytes: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var (whole, resident) = (0, 0)
    return withUnsafeMutablePointer(to: &whole) { whole in
        withUnsafeMutablePointer(to: &resident) { resident in
            withVaList([whole, resident]) { vfscanf(file, "%ld %ld", $0) } == 2
                ? resident.pointee * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
        }
    }
}

/// The most bytes that were ever in memory.
private var peakBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
}

/// What libFuzzer calls with each input. Whatever is no error of the parser ends the process: a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let begin = clock()
    let (before, peak) = (residentBytes, peakBytes)
    try? parser.run(Array(UnsafeBufferPointer(start: start, count: count)))
    let seconds = Double(clock() - begin) / Double(CLOCKS_PER_SEC)
    precondition(seconds < longestTime, "one input took \(seconds) s")
    let now = peakBytes
    precondition(now == peak || now - before < mostMemory, "one input needed \((now - before) >> 20) MiB")
    return 0
}
