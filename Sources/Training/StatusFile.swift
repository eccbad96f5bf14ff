import Collectives
import Foundation
import JSONText

/// `status.json` in a run's folder: what the run does now, or did last. Written anew at most once a second, and by renaming, so that
/// a reader finds a whole one.
final class StatusFile {
    private let path: String
    private let ranks: Int
    private var last = ContinuousClock.now - .seconds(10)
    private var step: StepRecord?
    /// Steps done, and all of them.
    private var steps = (done: 0, all: Int?.none)
    private var checkpoint: String?

    init(path: String, ranks: Int) {
        self.path = path
        self.ranks = ranks
    }

    /// Takes note of an event; writes if the last time is long enough ago, or the event ends something.
    func note(_ event: TrainingEvent) {
        switch event {
        case .started(let summary):
            steps.all = summary.totalSteps
            write("training", isDue: true)
        case .resumed(_, let done, let all): steps = (done, all)
        case .step(let record):
            step = record
            steps = (record.step, record.totalSteps)
            write("training", isDue: false)
        case .saved(let path):
            checkpoint = path
            write("training", isDue: true)
        case .stopped: write("stopped", isDue: true)
        case .finished: write("finished", isDue: true)
        case .evaluated, .warning, .note: break
        }
    }

    /// Takes note of the error that ends the run.
    func fail(_ error: any Error) { write("failed", isDue: true, message: "\(error)") }

    /// Takes note of what the run does next.
    func enter(_ phase: ProgressBoard.Phase) { write(phase.name, isDue: phase == .saving || phase == .evaluating) }

    private func write(_ state: String, isDue: Bool, message: String? = nil) {
        let now = ContinuousClock.now
        guard isDue || last.duration(to: now).seconds >= 1 else { return }
        last = now
        func number(_ value: Double?) -> JSON { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        let json = JSON.object(
            JSONObject([
                ("state", .string(state)), ("step", .integer(Int64(steps.done))),
                ("total_steps", steps.all.map { .integer(Int64($0)) } ?? .null), ("loss", number(step?.loss)),
                ("tokens_per_second", number(step?.tokensPerSecond)),
                ("checkpoint", checkpoint.map { .string($0) } ?? .null),
                ("message", message.map { .string($0) } ?? .null), ("ranks", .integer(Int64(ranks))),
                ("host", .string(ProcessInfo.processInfo.hostNameOfSystem)),
                ("process", .integer(Int64(getpid()))),
                ("time", .number((Date.now.timeIntervalSince1970 * 1000).rounded() / 1000)),
            ]))
        // A status that cannot be written is no reason to end a run.
        try? Data((json.text() + "\n").utf8).write(to: URL(filePath: path), options: .atomic)
    }
}
