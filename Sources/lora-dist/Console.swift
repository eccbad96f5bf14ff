import Foundation
import Logging
import Synchronization

/// Writes a result to stdout, and ends its line. A result that cannot be written ends the program with exit code 1.
func writeResult(_ text: String) {
    do {
        try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    } catch {
        writeError("Error: the result cannot be written to stdout: \(error.localizedDescription)")
        exit(1)
    }
}

/// Writes a line to stderr.
func writeError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
}

/// Text with its control characters, and those that change the direction of what follows, as escapes, so that data
/// cannot steer a terminal. Line ends stay.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x0A: result.unicodeScalars.append(scalar)
        case 0x09: result += "\\t"
        case 0x0D: result += "\\r"
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x202A...0x202E, 0x2028, 0x2029, 0x2066...0x2069:
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// Where logs go: lines, and on a terminal one line below them that is rewritten as work goes on.
final class Console: Sendable {
    /// Whether a progress line can be shown.
    let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    private let progressLine = Mutex("")

    /// stderr unless told otherwise.
    init(
        isTerminal: Bool = isatty(STDERR_FILENO) == 1,
        write: @escaping @Sendable (String) -> Void = { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) }
    ) {
        self.isTerminal = isTerminal
        self.write = write
    }

    /// Adds a line above the progress line.
    func line(_ text: String) {
        progressLine.withLock { progress in
            write(progress.isEmpty ? text + "\n" : "\r\u{1B}[K" + text + "\n" + progress)
        }
    }

    /// Shows the progress line, at most 79 columns of it; an empty one takes it away. Nothing on what is no terminal.
    func progress(_ text: String) {
        guard isTerminal else { return }
        progressLine.withLock { progress in
            if text.isEmpty, progress.isEmpty { return }
            progress = String(text.prefix(79))
            write("\r\u{1B}[K" + progress)
        }
    }

    /// A logger that writes here.
    var logger: Logger { Logger(label: "lora-dist") { _ in ConsoleLogHandler(console: self) } }
}

/// swift-log's messages as lines of a console: those of level warning and above begin with the level.
struct ConsoleLogHandler: LogHandler {
    let console: Console
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(console: Console) { self.console = console }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = event.level >= .warning ? "\(event.level): " : ""
        console.line(level + printable("\(event.message)"))
    }
}
