import Collectives
import Foundation

/// Ends a job in which a rank hangs: a thread of each rank that watches the ranks of its node by what they write on their board.
///
/// A rank hangs if it comes no further for the time-out while it does not wait for others. It is no other rank's MPI call that
/// finds this out: those wait for ever. The process that speaks ends itself, and the launcher then ends the others.
final class Watchdog: Sendable {
    /// Starts the thread, which runs as long as the process.
    /// - Parameters:
    ///   - board: the ranks of this node.
    ///   - host: the node's name.
    ///   - timeout: seconds.
    ///   - say: gets the message.
    init(
        _ board: ProgressBoard, host: String, timeout: Double,
        say: @escaping @Sendable (String) -> Void
    ) {
        let thread = Thread {
            var watch = Watch(board, timeout: timeout)
            let pause = min(1, timeout / 10)
            while true {
                Thread.sleep(forTimeInterval: pause)
                guard let finding = watch.look(pause: pause) else { continue }
                // The first that can speaks for all; its end is theirs.
                Thread.sleep(forTimeInterval: 0.3 * Double(finding.turn))
                say(finding.text(host, timeout))
                _exit(1)
            }
        }
        thread.name = "watchdog"
        thread.start()
    }
}

/// What a watcher has seen of a board.
private struct Watch {
    private let board: ProgressBoard
    private let timeout: Double
    private var seen: [(progress: UInt64, since: ContinuousClock.Instant)]
    private var last = ContinuousClock.now

    /// Something is wrong.
    struct Finding {
        let line: ProgressBoard.Line
        /// Whether this rank hangs, or all wait for one that is not here.
        var isHung = false
        /// How many ranks speak before this one.
        let turn: Int

        func text(_ host: String, _ timeout: Double) -> String {
            let seconds = timeout.formatted(.number.precision(.fractionLength(0...1)))
            let place = "in step \(line.step), phase \(line.phase.name)"
            return !isHung
                ? "all ranks on \(host) have waited for others for three times \(seconds) s, \(place): a rank elsewhere "
                    + "hangs or is gone; the job ends"
                : "rank \(line.rank) on \(host) (process \(line.process)) hangs: no progress for \(seconds) s, \(place); "
                    + "the job ends. training.collective_timeout is the limit; run again with --resume auto"
        }
    }

    init(_ board: ProgressBoard, timeout: Double) {
        self.board = board
        self.timeout = timeout
        seen = (0..<board.count).map { (board[$0].progress, .now) }
    }

    /// Whether a process of this node has been stopped by a signal.
    private static func isStopped(_ process: Int32) -> Bool {
        let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        // The state follows the name, which stands in parentheses and may hold any character.
        return stat?.split(separator: ")").last?.first { $0 != " " }.map { $0 == "T" || $0 == "t" } ?? false
    }

    mutating func look(pause: Double) -> Finding? {
        let now = ContinuousClock.now
        // A watcher that was itself stopped has missed what the others did.
        let wasAsleep = last.duration(to: now).seconds > 4 * pause + 1
        last = now
        var hung: [Int] = []
        var allWait = true
        for index in 0..<board.count {
            let line = board[index]
            if line.progress != seen[index].progress || wasAsleep {
                seen[index] = (line.progress, now)
            }
            let seconds = seen[index].since.duration(to: now).seconds
            let isActive = line.phase != .finished && line.process != 0
            // A rank may be stopped while it waits: then its process says so.
            if isActive, seconds > timeout, !line.isWaiting || Self.isStopped(line.process) { hung.append(index) }
            if !isActive || !line.isWaiting || seconds < 3 * timeout { allWait = false }
        }
        guard let first = hung.first else { return allWait ? Finding(line: board[0], turn: board.own) : nil }
        let able = (0..<board.count).filter { !hung.contains($0) } + hung
        return Finding(line: board[first], isHung: true, turn: able.firstIndex(of: board.own)!)
    }
}
