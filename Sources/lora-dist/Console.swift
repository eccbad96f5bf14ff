import Foundation
import Logging
import Synchronization

/// Writes a result to stdout, and ends its line. On a terminal it is shown `printable`; a file or a program gets it as it
/// is. A result that cannot be written ends the program with exit code 1.
func writeResult(_ text: String) {
    let text = isatty(STDOUT_FILENO) == 1 ? printable(text, keepsLines: true) : text
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
