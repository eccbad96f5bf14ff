import Foundation
import Testing
import Untrusted

/// Files that are known to be bad are refused with an error, soon.
@Suite(.serialized, .timeLimit(.minutes(10))) struct KnownBadTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "KnownBad")

    /// Seconds that this thread has had of a core: what else runs does not count.
    private var threadSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Fails unless the parser throws, within a time that is far above what any of them takes.
    private func expectRefusal(_ parser: Parser, _ bytes: [UInt8], _ name: String) {
        let start = threadSeconds
        do {
            try parser.run(bytes)
            Issue.record("\(parser): \(name) was not refused")
        } catch {
            #expect(!"\(error)".isEmpty)
        }
        let seconds = threadSeconds - start
        #expect(seconds < 10, "\(parser): \(name) took \(seconds) s")
    }

    @Test(arguments: Parser.allCases) func knownBadFiles(_ parser: Parser) throws {
        let folder = Self.folder.appending(path: parser.rawValue)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(!names.isEmpty)
        for name in names {
            let data = try Data(contentsOf: folder.appending(path: name))
            // What a fuzzer found may be harmless once it is mended; it only has to end.
            if name.hasPrefix("found-") {
                try? parser.run(Array(data))
            } else {
                expectRefusal(parser, Array(data), name)
            }
        }
    }

    @Test func deepNesting() {
        for open in ["[", "{\"a\":", "[{\"a\":["] {
            let deep = Array(String(repeating: open, count: 1_000_000).utf8)
            expectRefusal(.json, deep, open)
            expectRefusal(.rows, deep, open)
        }
        for open in ["{{ (", "{{ [", "{{ not ", "{{ -", "{% if 1 %}", "{% macro m() %}"] {
            expectRefusal(.template, Array(String(repeating: open, count: 50_000).utf8), open)
            let inside = "{{ " + String(repeating: String(open.dropFirst(3)), count: 100_000)
            expectRefusal(.template, Array(inside.utf8), inside.prefix(20) + "…")
        }
        expectRefusal(.pattern, Array(String(repeating: "(", count: 1_000_000).utf8), "(")
    }

    @Test func longInputs() {
        let row = Array("{\"text\": \"".utf8) + [UInt8](repeating: 0x61, count: 70 << 20) + Array("\"}\n".utf8)
        expectRefusal(.rows, row, "a row of 70 MB")
        expectRefusal(.rows, [UInt8](repeating: 0, count: 20 << 20), "20 MB of NUL")
        expectRefusal(.template, [UInt8](repeating: 0x61, count: 2 << 20), "a template of 2 MB")
        expectRefusal(.pattern, [UInt8](repeating: 0x61, count: 100_000), "a regular expression of 100 KB")
        expectRefusal(.config, [UInt8](repeating: 0x20, count: 129 << 20), "a config.json of 129 MB")
    }

    /// A folder may hold links and pipes in place of files.
    @Test func filesThatAreNone() throws {
        for name in ["config.json", "tokenizer.json", "adapter_config.json", "model.safetensors.index.json"] {
            for (kind, make) in [
                ("device", { symlink("/dev/zero", $0) }), ("pipe", { mkfifo($0, 0o600) }),
                ("folder", { mkdir($0, 0o700) }),
            ] as [(String, (String) -> Int32)] {
                let folder = try TemporaryFolder()
                try #require(make("\(folder.path)/\(name)") == 0)
                #expect(throws: (any Error).self, "\(name) is a \(kind)") {
                    try Parser.readFolder(folder.path, of: name)
                }
            }
        }
    }
}

/// A folder that goes away with its owner.
private final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "untrusted-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
