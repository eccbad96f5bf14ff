import Collectives
import Datasets
import Foundation
import LoRA
import Models
import Tensors

extension Trainer {
    /// One update of the adapter: gradients of a global batch, their exact sum over ranks, clipping, AdamW.
    ///
    /// Between the sum and the update, the checkpoint that was being written meanwhile gets its name.
    /// - Parameter report: gets events, on every rank.
    /// - Returns: the step, and why the run should end after it, as all ranks know.
    /// - Throws: a `SharedError` where all ranks fail together; any other error where one rank fails.
    mutating func step(
        _ report: (TrainingEvent) throws -> Void
    ) throws -> (record: StepRecord, stop: StopRequest.Reason?) {
        let begin = ContinuousClock.now
        let step = progress.steps
        enter(.training, step: step + 1)
        let rows = plan.batch(step)
        let dropout = Decoder.Dropout(
            probability: session.config.lora.loraDropout, seed: UInt64(config.seed), step: step,
            neftuneAlpha: config.neftuneAlpha)
        let notes = StepNotes(isAudited: pendingSave != nil || (step + 1).isMultiple(of: config.auditSteps))
        let result = try engine.train(
            train.sizes(of: rows), load: train.loader(rows), dropout: dropout, into: sums
        ) { self.notes(notes) }
        let told = StepNotes.Told(result.notes, notes, ranks: world.size)
        if told.stop != nil { stop.agree() }
        let saveBegin = ContinuousClock.now
        try finishSave(isGood: told.strangers.isEmpty, report)
        pendingSave = nil
        try audit(told)
        let saveSeconds = saveBegin.duration(to: .now).seconds

        let rate = schedule[step]
        var norm = Double.nan
        // All that takes ranks long to wait for comes before the update: while it lasts, nothing can be saved.
        let refusal = try refusal(of: result, step: step, rows: rows, dropout: dropout)
        if let refusal, config.onNonfinite == .stop { throw SharedError(exitCode: 1, description: refusal) }
        var waits = [result.waitSeconds, saveSeconds]
        try world.allReduceMax(&waits)
        // No rank reads the adapter any more. Those of a node that share it go into the update together, and out of it.
        if refusal == nil {
            try placement.beginUpdate { saver?.live.beginUpdate() }
        } else {
            saver?.live.beginUpdate()
        }
        progress.steps += 1
        do {
            if let refusal {
                try report(.warning("\(refusal); the step is skipped (training.on_nonfinite)"))
            } else {
                world.board.enter(.updating, step: step + 1)
                norm = optimizer.update(sums, learningRate: rate, on: engine.workers)
                progress.updates += 1
                progress.lastLoss = result.loss.mean
                if try placement.endUpdate(isBad: adapter.values.hasNonFinite(in: optimizer.part)) {
                    throw SharedError(
                        exitCode: 1,
                        description: "step \(step + 1): the update left the range of fp32; lower "
                            + "training.learning_rate \(rate)")
                }
            }
        } catch {
            saver?.live.endUpdate(nil)
            throw error
        }
        let seconds = begin.duration(to: .now).seconds
        progress.tokens += result.tokens
        progress.seconds += seconds
        let record = StepRecord(
            step: step + 1, totalSteps: totalSteps, epoch: Double(step + 1) / Double(plan.stepsPerEpoch),
            loss: result.loss.mean, learningRate: rate, gradNorm: norm, tokens: result.tokens,
            trainedTokens: Int(result.loss.tokens), seconds: seconds,
            tokensPerSecond: Double(result.tokens) / seconds, waitSeconds: waits[0], saveSeconds: waits[1])
        do { try report(.step(record)) } catch {
            saver?.live.endUpdate(nil)
            throw error
        }
        saver?.live.endUpdate(saver?.content(progress, best: bestValues))
        return (record, told.stop)
    }

    /// Lets others see what the run does next: the ranks of the node, and readers of `status.json`.
    func enter(_ phase: ProgressBoard.Phase, step: Int) {
        world.board.enter(phase, step: step)
        status?.enter(phase)
    }

    /// What this rank tells the others when its work for a step is done.
    private func notes(_ notes: StepNotes) -> [Int64] {
        if world.rank == 0, let deadline, let saver, deadline.isNear(step: longestInterval, save: saver.longestSeconds)
        {
            stop.request(.time)
        }
        return notes.numbers(
            rank: world.rank, ranks: world.size, stop: stop.current, digest: notes.isAudited ? digest : 0)
    }

    /// A number that tells the adapter, what PiSSA takes off the base and the moments from any others. Ranks that share adapter and
    /// moments find the same of these, so that an audit compares nodes, or ranks where each has its own.
    var digest: UInt64 {
        ([adapter.values, optimizer.m, optimizer.v] + [adapter.initial].compactMap { $0 }).reduce(0) {
            ($0 << 21 | $0 >> 43) &+ $1.digest(on: engine.workers)
        }
    }

    /// - Throws: `SharedError` if a rank holds something else than the others.
    func audit(_ told: StepNotes.Told) throws {
        guard let first = told.strangers.first else { return }
        let names = told.strangers.map { "rank \($0) on \(world.hostNames[$0])" }.joined(separator: ", ")
        let isOpen = 2 * told.strangers.count >= world.size
        throw SharedError(
            exitCode: 1,
            description: "the adapter or its moments are not the same on all ranks after step \(progress.steps): "
                + (isOpen
                    ? "\(names) and rank 0 on \(world.hostNames[0]) differ, and nothing tells which is right"
                    : "\(names) \(told.strangers.count == 1 ? "holds" : "hold") something else")
                + ". A bit has flipped in memory, or ranks compute differently; test the memory of "
                + "\(isOpen ? "both hosts" : world.hostNames[first]), then go on from the last checkpoint with --resume auto"
        )
    }

    /// Why the sums of a step must not be used; nil if nothing is wrong. All ranks find the same.
    private func refusal(
        of result: StepSums, step: Int, rows: [Int], dropout: Decoder.Dropout
    ) throws -> String? {
        guard result.sawNonFinite || result.sawOutOfRange || !result.loss.isFinite else { return nil }
        let all = try world.allGather(result.wrong.map { Int32($0) }).joined().map { rows[Int($0)] }
        let suspects = all.isEmpty ? rows : all
        let origins = suspects.map { train.dataset.origin($0) }.map { "\($0.file):\($0.line)" }.sorted()
        let what = result.sawNonFinite || !result.loss.isFinite ? "is NaN or infinite" : "left the range of ±16,384"
        let culprit = isDebugging ? try firstNonFinite(rows, dropout: dropout) : nil
        return (culprit.map { "\($0); " } ?? "")
            + "step \(step + 1): the loss or a gradient \(what); the adapter was not changed by this step. "
            + "Lower training.learning_rate, or look for bad rows in: \(origins.joined(separator: ", "))"
    }
}
