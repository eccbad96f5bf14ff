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

/// What libFuzzer calls with each input. Whatever is no error of the parser ends the process: a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    try? parser.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
