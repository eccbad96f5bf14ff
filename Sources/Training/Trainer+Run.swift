import Collectives
import Foundation
import LoRA
import Models
import Tensors

extension Trainer {
    /// How a run ends.
    enum Ending: Equatable {
        case finished
        /// On request, after a checkpoint.
        case stopped(StopRequest.Reason)
    }

    /// Trains, evaluates and saves until the steps are done, held-out loss no longer falls, or a stop is asked for.
    /// - Parameters:
    ///   - results: where rank 0 saves.
    ///   - report: gets each event, on every rank.
    /// - Returns: how the run ended.
    /// - Throws: a `SharedError` where all ranks fail together; any other error where one rank fails.
    mutating func run(results: RunResults?, report: (TrainingEvent) throws -> Void) throws -> Ending {
        if progress.steps > 0, isEvaluationDue, progress.evaluatedSteps != progress.steps { try evaluate(report) }
        var last = ContinuousClock.now
        while progress.steps < totalSteps, !hasLostPatience {
            let (_, stopReason) = try step(report)
            var isBest = false
            // A run that is to stop has no time for an evaluation: it comes first when the run goes on.
            if stopReason == nil, isEvaluationDue { isBest = try evaluate(report) }
            if let stopReason {
                try saveNow(report)
                return .stopped(stopReason)
            }
            let isDue = progress.steps.isMultiple(of: config.saveSteps) || isBest && config.saveOnBest
            if isDue, progress.steps < totalSteps { startSave() }
            let now = ContinuousClock.now
            longestInterval = max(longestInterval, last.duration(to: now).seconds)
            last = now
        }
        if heldOut != nil, progress.evaluatedSteps != progress.steps { try evaluate(report) }
        try saveNow(report)
        // From here on there is no state to save but the adapter. Saving that takes memory in its turn.
        engine.arena.giveBackMemory()
        sums.giveBackMemory()
        if config.loadBestModelAtEnd { try takeBest() }
        try saveAdapter(results, report)
        try report(
            .finished(
                FinishSummary(
                    steps: progress.steps, seconds: progress.seconds, tokens: progress.tokens,
                    lastLoss: progress.lastLoss, best: progress.best, adapterPath: results?.adapterPath ?? "")))
        return .finished
    }

    // MARK: Evaluations

    private var isEvaluationDue: Bool { config.evalSteps.map { progress.steps.isMultiple(of: $0) } ?? false }

    private var hasLostPatience: Bool {
        config.earlyStoppingPatience.map { progress.evaluationsWithoutGain >= $0 } ?? false
    }

    /// Evaluates the held-out part.
    /// - Returns: whether this is the best so far.
    @discardableResult
    private mutating func evaluate(_ report: (TrainingEvent) throws -> Void) throws -> Bool {
        let begin = ContinuousClock.now
        enter(.evaluating, step: progress.steps)
        let loss = try engine.evaluate(
            heldOut!.sizes(of: heldOutRows), usesAdapter: true, load: heldOut!.loader(heldOutRows)
        ).mean
        guard loss.isFinite else {
            throw SharedError(
                exitCode: 1,
                description:
                    "the held-out loss after step \(progress.steps) is NaN or infinite; the last checkpoint is "
                    + "from before")
        }
        let isBest = progress.best.map { loss < $0.loss } ?? true
        let record = EvaluationRecord(step: progress.steps, loss: loss, perplexity: exp(loss), isBest: isBest)
        if isBest {
            progress.best = record
            if config.loadBestModelAtEnd, world.rank == 0 { bestValues = adapter.values.bytes }
            progress.evaluationsWithoutGain = 0
        } else {
            progress.evaluationsWithoutGain += 1
        }
        progress.evaluatedSteps = progress.steps
        progress.seconds += begin.duration(to: .now).seconds
        try report(.evaluated(record))
        return isBest
    }

    /// Puts the adapter of the best evaluation, where there is one, in the place of that of the last step.
    private mutating func takeBest() throws {
        guard try world.broadcast([bestValues.isEmpty]) == [false] else { return }
        saver?.live.beginUpdate()
        if world.rank == 0 { adapter.values.setBytes(bestValues) }
        saver?.live.endUpdate(nil)
        bestValues = []
        try placement.broadcast(adapter.values)
    }

    // MARK: Saving

    /// Lets rank 0 begin to write a checkpoint, which the next step's sum finishes.
    private mutating func startSave() {
        pendingSave = progress.steps
        guard let saver else { return }
        saver.start(saver.content(progress, best: bestValues))
    }

    /// Gives the checkpoint that was being written its name, if all ranks hold the same as what was written.
    func finishSave(isGood: Bool, _ report: (TrainingEvent) throws -> Void) throws {
        guard let saver else { return }
        let saved: String?
        do { saved = try saver.finish(isGood: isGood, keeping: progress.best?.step) } catch {
            if config.onSaveError == .stop { stop.request(.saveError) }
            let next =
                config.onSaveError == .stop ? "the run ends after the next step" : "training goes on"
            return try report(.warning("A CHECKPOINT COULD NOT BE SAVED: \(error). Those before are whole; \(next)"))
        }
        if let saved { try report(.saved(path: saved)) }
    }

    /// Saves a checkpoint of what has been done, unless there is one, and waits for it.
    private mutating func saveNow(_ report: (TrainingEvent) throws -> Void) throws {
        enter(.saving, step: progress.steps)
        let digests = try world.allGather([digest]).map { Int64(bitPattern: $0[0]) }
        let strangers = StepNotes.Told.strangers(among: digests)
        if pendingSave != nil {
            try finishSave(isGood: strangers.isEmpty, report)
            pendingSave = nil
        }
        try audit(StepNotes.Told(strangers: strangers))
        guard let saver, progress.steps > 0 else { return }
        let content = saver.content(progress, best: bestValues)
        guard !content.folder.isWhole else { return }
        saver.start(content)
        try finishSave(isGood: true, report)
    }

    private func saveAdapter(_ results: RunResults?, _ report: (TrainingEvent) throws -> Void) throws {
        try world.together {
            if let results { try results.saveAdapter(adapter, session) }
        }
        if let results { try report(.saved(path: results.adapterPath)) }
    }
}
