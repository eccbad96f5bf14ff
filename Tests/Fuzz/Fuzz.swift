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
private let longestTime = 5.0

/// What libFuzzer calls with each input. Whatever is no error of the parser ends the process: a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let begin = clock()
    try? parser.run(Array(UnsafeBufferPointer(start: start, count: count)))
    let seconds = Double(clock() - begin) / Double(CLOCKS_PER_SEC)
    precondition(seconds < longestTime, "one input took \(seconds) s")
    return 0
}
