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
    /// The most seconds from the begin of a save to its end.
    private(set) var longestSeconds = 0.0
    private let run: Run
    private let base: BaseVerification
    private let writer = CheckpointWriter()
    private let fingerprint = numericsFingerprint()
    private var begin = ContinuousClock.now

    init(_ run: Run, base: BaseVerification) {
        self.run = run
        self.base = base
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
                baseSHA256: base.sum),
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
        guard let folder = try writer.finish(isGood: isGood) else { return nil }
        longestSeconds = max(longestSeconds, begin.duration(to: .now).seconds)
        removeOld(keeping: best)
        return folder.path
    }

    /// Waits for the checkpoint that is being written, and saves the last completed update as well, while a step is under way.
    func saveLast() throws -> String? {
        let written = try writer.finish()
        return try live.saveAndKeep()?.path ?? written?.path
    }

    private func removeOld(keeping best: Int?) {
        guard let limit = run.session.config.training.saveTotalLimit else { return }
        for folder in CheckpointFolder.all(in: run.folder).dropFirst(limit) where folder.steps != best {
            // What cannot be removed is one too many, no more.
            try? folder.remove()
        }
    }
}
