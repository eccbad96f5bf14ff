import Collectives
import Foundation
import LoRA
import Models
import Tensors
import Tokenizers
import WeightFiles

/// Saves the checkpoints of a run, on the one rank that does.
final class RunSaver {
    /// All that stays the same from one checkpoint to the next.
    struct Run {
        let session: Session
        let identity: RunIdentity
        /// The folder of checkpoints.
        let folder: String
        let configText: String
        let metrics: MetricsFile
        let values: ParameterSlab, m: ParameterSlab, v: ParameterSlab
        let tick: @Sendable () -> Void
    }

    /// The last completed update.
    let live = LiveState()
    /// The most seconds from the begin of a save to its end; before the first, what a slow disk would take.
    var longestSeconds: Double { measuredSeconds ?? Double(mostBytes) / Self.slowDisk }
    /// Of a checkpoint's matrices.
    private var mostBytes: Int {
        let best = run.session.config.training.loadBestModelAtEnd ? 4 : 0
        return (12 + best) * run.values.layout.count + 4 * (run.session.adapter?.initial?.layout.count ?? 0)
    }
    private var measuredSeconds: Double?
    /// Bytes a second.
    private static let slowDisk = 50e6
    private let run: Run
    private let base: BaseVerification
    /// The SHA-256 of the base that the run has begun with, if it is known.
    private let knownBase: String?
    private let writer = CheckpointWriter()
    /// Held while a checkpoint is finished: by the run, or by the thread that ends a step that does not end.
    private let finishing = NSLock()
    private let fingerprint = numericsFingerprint()
    private var begin = ContinuousClock.now

    /// - Parameters:
    ///   - run: what stays the same.
    ///   - base: the sum of the base's files, once it is known.
    ///   - knownBase: the sum in the checkpoint that the run goes on from, where it must be the same.
    init(_ run: Run, base: BaseVerification, knownBase: String?) {
        self.run = run
        self.base = base
        self.knownBase = knownBase
    }

    /// What a checkpoint after this progress holds.
    func content(_ progress: RunProgress, best: [UInt8]) -> CheckpointWriter.Content {
        let session = run.session
        return CheckpointWriter.Content(
            folder: .after(progress.steps, in: run.folder), adapterConfig: session.adapterConfig!,
            modules: session.adapter!.modules.map(\.path), values: run.values, m: run.m, v: run.v, best: best,
            initial: session.adapter!.initial,
            state: CheckpointState(
                progress: progress, config: session.config.tree, identity: run.identity, fingerprint: fingerprint,
                baseSHA256: base.sum ?? knownBase),
            configText: run.configText, metricsPath: run.metrics.path, metricsBytes: run.metrics.byteCount,
            waitingMetrics: run.metrics.waiting,
            copied: session.tokenizer.filesToCopy.map { "\(session.base.path)/\($0)" }, tick: run.tick)
    }

    /// Begins to write a checkpoint, while the next step computes.
    func start(_ content: CheckpointWriter.Content) {
        begin = .now
        writer.start(content)
    }

    /// Waits for the checkpoint that is being written, if there is one, and gives it its name if it `isGood`. Then removes those
    /// that are one too many.
    /// - Parameters:
    ///   - isGood: whether all ranks hold the same as what was written.
    ///   - best: the steps of the best evaluation, whose checkpoint is kept.
    /// - Returns: the checkpoint's path; nil if there is none.
    /// - Throws: why it could not be written.
    func finish(isGood: Bool, keeping best: Int?) throws -> String? {
        let isSameBase = knownBase == nil || base.sum == nil || base.sum == knownBase
        guard let folder = try finishing.withLock({ try writer.finish(isGood: isGood && isSameBase) }) else {
            guard isSameBase else {
                throw InputError(
                    run.session.base.path,
                    reason: "the base's SHA-256 is \(base.sum!), and was \(knownBase!) in the checkpoint that the run "
                        + "went on from: it is not the same model; stop, and give the right one, or --accept-changes")
            }
            return nil
        }
        measuredSeconds = max(measuredSeconds ?? 0, begin.duration(to: .now).seconds)
        removeOld(keeping: [best, folder.steps])
        return folder.path
    }

    /// Waits for the checkpoint that is being written, and saves the last completed update as well, while a step is under way.
    func saveLast() throws -> String? {
        // One that could not be written is no reason not to try the next.
        let written = finishing.withLock { try? writer.finish() }
        return try live.saveAndKeep()?.path ?? written?.path
    }

    private func removeOld(keeping steps: [Int?]) {
        guard let limit = run.session.config.training.saveTotalLimit else { return }
        for folder in CheckpointFolder.all(in: run.folder).dropFirst(limit) where !steps.contains(folder.steps) {
            // What cannot be removed is one too many, no more.
            try? folder.remove()
        }
    }
}
