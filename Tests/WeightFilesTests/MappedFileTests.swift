import Foundation
import Testing
import WeightFiles

/// Mapping files, and what happens when one shrinks under its mapping.
struct MappedFileTests {
    @Test func bytesAreThoseOfTheFile() throws {
        let folder = try TemporaryFolder()
        let data = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let file = try MappedFile(path: try folder.write(data, as: "f"))
        #expect(Array(file.bytes) == data)
        let part = MappedBytes(file: file, range: 5..<9)
        #expect(Array(part) == Array(data[5..<9]) && part.count == 4 && part[3] == data[8])
        #expect(part.dropFirst().first == data[6])
        #expect(try MappedFile(path: try folder.write([], as: "empty")).bytes.isEmpty)
    }

    @Test func refusesWhatIsNoFile() throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(message { _ = try MappedFile(path: pipe) } == "\(pipe): is not a regular file")
        #expect(
            message { _ = try MappedFile(path: folder.path) } == "\(folder.path): is a folder; a file was expected")
        let missing = folder.path + "/missing"
        #expect(
            message { _ = try MappedFile(path: missing) } == "\(missing): cannot be opened: No such file or directory")
    }

    @Test func mappingsEndWithTheirObjects() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([1, 2, 3], as: "f")
        // More than the table of mappings has room for.
        for _ in 0..<10_000 { #expect(try MappedFile(path: path).bytes.count == 3) }
        #expect(!(try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)).contains(path))
    }

    @Test func aFileThatShrinksEndsTheProcessWithItsName() async throws {
        let result = await #expect(processExitsWith: .exitCode(3), observing: [\.standardErrorContent]) {
            let folder = try TemporaryFolder()
            let other = try MappedFile(path: try folder.write([UInt8](repeating: 1, count: 100_000), as: "other"))
            let path = try folder.write([UInt8](repeating: 7, count: 100_000), as: "shrinking.gguf")
            let file = try MappedFile(path: path)
            #expect(file.bytes[99_999] == 7 && other.bytes[0] == 1)
            truncate(path, 10)
            // Unreachable: the read ends the process.
            exit(file.bytes[99_999] == 0 ? 10 : 11)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        let line = "/shrinking.gguf: cannot be read any more: the file has become shorter, or its disk failed\n"
        #expect(text.hasPrefix("lora-dist: /") && text.hasSuffix(line) && text.split(separator: "\n").count == 1)
    }

    @Test func anotherBusErrorTakesTheDefaultAction() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let folder = try TemporaryFolder()
            let file = try MappedFile(path: try folder.write([1], as: "f"))
            #expect(file.bytes[0] == 1)
            raise(SIGBUS)
        }
    }

    @Test func anotherBusErrorGoesToTheEarlierHandler() async {
        await #expect(processExitsWith: .exitCode(42)) {
            signal(SIGBUS) { _ in _exit(42) }
            let folder = try TemporaryFolder()
            let file = try MappedFile(path: try folder.write([1], as: "f"))
            #expect(file.bytes[0] == 1)
            raise(SIGBUS)
        }
    }
}
