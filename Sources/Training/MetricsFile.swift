import Foundation
import JSONText

/// `metrics.jsonl`: one JSON object per event, in one write each, so that a reader never sees half a line and nothing
/// is lost when the process ends.
///
/// Every line has `event` and `time` (seconds since 1970); the other names are those of the event's properties in
/// snake_case. A number that is not finite is null.
public final class MetricsFile {
    private let handle: FileHandle
    let path: String
    /// Bytes of the whole lines in it.
    private(set) var byteCount: Int
    private let now: () -> Double

    /// Opens the file for lines to be added, after those that it has.
    /// - Parameters:
    ///   - path: the file; made if it is not there.
    ///   - now: seconds since 1970; nil for the system's clock.
    /// - Throws: `InputError` if the file cannot be written.
    public init(path: String, now: (() -> Double)? = nil) throws {
        if !FileManager.default.fileExists(atPath: path) {
            guard FileManager.default.createFile(atPath: path, contents: nil) else {
                throw InputError(path, reason: "the file cannot be made")
            }
        }
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw InputError(path, reason: "the file cannot be written")
        }
        byteCount = Int(try handle.seekToEnd())
        self.handle = handle
        self.path = path
        self.now = now ?? { Date().timeIntervalSince1970 }
    }

    deinit { try? handle.close() }

    /// Lines that could not be written yet, such as to a full disk; they come before the next.
    private(set) var waiting = Data()

    /// Adds the line of an event.
    /// - Throws: `InputError` if it cannot be written; then it waits for the next.
    public func write(_ event: TrainingEvent) throws {
        let time = JSON.number((now() * 1000).rounded() / 1000)
        let line = JSON.object(JSONObject([("event", .string(event.name)), ("time", time)] + event.members))
        waiting += Data((line.text() + "\n").utf8)
        try flush()
    }

    /// Writes the lines that wait.
    /// - Throws: `InputError` if they cannot be written; they go on waiting.
    func flush() throws {
        do {
            try handle.write(contentsOf: waiting)
            byteCount += waiting.count
            waiting.removeAll()
        } catch {
            // No half of a line stays.
            try? handle.truncate(atOffset: UInt64(byteCount))
            throw InputError(path, reason: "the line of an event cannot be written: \(error.localizedDescription)")
        }
    }
}

extension TrainingEvent {
    /// What the event is called in `metrics.jsonl`.
    public var name: String {
        switch self {
        case .started: "started"
        case .resumed: "resumed"
        case .step: "step"
        case .evaluated: "evaluated"
        case .saved: "saved"
        case .stopped: "stopped"
        case .finished: "finished"
        case .warning: "warning"
        case .note: "note"
        }
    }

    /// The event's properties as they stand in `metrics.jsonl`.
    fileprivate var members: [(key: String, value: JSON)] {
        switch self {
        case .started(let run):
            [
                ("ranks", integer(run.ranks)), ("hosts", .array(run.hosts.map { .string($0) })),
                ("threads_per_rank", integer(run.threadsPerRank)), ("model", .string(run.model)),
                ("trainable_parameters", integer(run.trainableParameters)),
                ("total_parameters", integer(run.totalParameters)),
                ("all_reduce_bytes_per_step", integer(run.allReduceBytesPerStep)),
                ("arena_bytes", integer(run.arenaBytes)), ("total_steps", integer(run.totalSteps)),
                ("data_report", .array(run.dataReport.map { .string($0) })),
            ]
        case .step(let step):
            [
                ("step", integer(step.step)), ("total_steps", integer(step.totalSteps)), ("epoch", finite(step.epoch)),
                ("loss", finite(step.loss)), ("learning_rate", finite(step.learningRate)),
                ("grad_norm", finite(step.gradNorm)), ("tokens", integer(step.tokens)),
                ("trained_tokens", integer(step.trainedTokens)), ("seconds", finite(step.seconds)),
                ("tokens_per_second", finite(step.tokensPerSecond)), ("wait_seconds", finite(step.waitSeconds)),
                ("save_seconds", finite(step.saveSeconds)),
            ]
        case .resumed(let path, let step, let total):
            [("path", .string(path)), ("step", integer(step)), ("total_steps", integer(total))]
        case .evaluated(let evaluation): evaluation.members
        case .saved(let path): [("path", .string(path))]
        case .stopped(let step, let path): [("step", integer(step)), ("path", path.map { .string($0) } ?? .null)]
        case .finished(let run):
            [
                ("steps", integer(run.steps)), ("seconds", finite(run.seconds)), ("tokens", integer(run.tokens)),
                ("last_loss", finite(run.lastLoss)),
                ("best", run.best.map { .object(JSONObject($0.members)) } ?? .null),
                ("adapter_path", .string(run.adapterPath)),
            ]
        case .warning(let text), .note(let text): [("message", .string(text))]
        }
    }
}

extension EvaluationRecord {
    fileprivate var members: [(key: String, value: JSON)] {
        [
            ("step", integer(step)), ("loss", finite(loss)), ("perplexity", finite(perplexity)),
            ("is_best", .bool(isBest)),
        ]
    }
}

private func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
private func finite(_ value: Double) -> JSON { value.isFinite ? .number(value) : .null }
