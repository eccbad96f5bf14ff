import Collectives
import Foundation
import Synchronization

/// The threads that watch over a run: signals, and ranks that hang.
final class RunGuards: Sendable {
    /// Where rank 0's saver is found once there is one.
    final class SaverBox: @unchecked Sendable {
        private let lock = NSLock()
        private var saver: RunSaver?

        func set(_ saver: RunSaver?) { lock.withLock { self.saver = saver } }
        var current: RunSaver? { lock.withLock { saver } }
    }

    let saver = SaverBox()

    /// Starts the threads that the options ask for.
    init(_ config: TrainingConfig, _ options: RunOptions, _ world: Communicator) {
        let (board, host, rank, say) = (world.board, world.hostName, world.rank, options.say)
        board.enter(.loading, step: 0)
        _ = Watchdog(
            board, host: host, timeout: config.collectiveTimeout
        ) { say("Error: \($0)") }
        guard options.takesSignals else { return }
        let (saver, grace) = (saver, config.stopGrace)
        _ = StopSignals(
            options.stop, grace: grace,
            hasLostRank: {
                (0..<board.count).contains {
                    board[$0].process != 0 && kill(board[$0].process, 0) != 0 && errno == ESRCH
                }
            },
            tell: { notice in
                guard rank == 0, case .stopping(let signal) = notice else { return }
                say(
                    "\(signal): the run ends after this step, with a checkpoint"
                        + (signal == "SIGINT" ? "; once more ends it at once" : ""))
            },
            onGraceEnd: {
                if rank == 0 { Self.saveAlone(saver.current, grace, say) }
                // Rank 0's end is that of all; this one is left only if it failed.
                Thread.sleep(forTimeInterval: 600)
                _exit(1)
            })
    }

    /// Saves what was completed last, while a step is under way that will not end, and ends the process.
    private static func saveAlone(_ saver: RunSaver?, _ grace: Double, _ say: (String) -> Void) -> Never {
        let limit = grace.formatted(.number.precision(.fractionLength(0...1)))
        do {
            if let path = try saver?.saveLast() {
                say(
                    "the step did not end within \(limit) s (training.stop_grace) and is abandoned; the last completed "
                        + "update is saved in \(path). Run again with --resume auto to go on")
            } else {
                say("the first step did not end within \(limit) s (training.stop_grace): there was nothing to save")
            }
            _exit(stoppedExitCode)
        } catch {
            say("Error: the step did not end within \(limit) s, and the last update could not be saved: \(error)")
            _exit(1)
        }
    }
}
