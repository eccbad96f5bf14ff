import Logging
import Training

/// Shows a run's events: on a terminal one progress line, elsewhere a line every `loggingSteps` steps.
final class Reporter {
    private let console: Console
    private let logger: Logger
    private let loggingSteps: Int
    /// The steps since the last line in the log.
    private var interval = Interval()
    /// Steps done in this run, and their seconds, for the time that is left.
    private var steps = 0, seconds = 0.0

    init(console: Console, loggingSteps: Int) {
        self.console = console
        self.loggingSteps = loggingSteps
        logger = console.logger
    }

    func report(_ event: TrainingEvent) {
        switch event {
        case .started(let run): for line in Self.lines(run) { logger.info("\(line)") }
        case .resumed(let path, let step, let total):
            logger.info(
                step < total
                    ? "going on from \(path), after step \(step) of \(total)"
                    : "\(path): all \(total) steps are done; a higher training.max_steps would add more")
        case .step(let step): report(step)
        case .evaluated(let evaluation):
            logger.info(
                """
                held-out loss \(fixed(evaluation.loss, 4)), perplexity \(fixed(evaluation.perplexity, 3)) after step \
                \(evaluation.step)\(evaluation.isBest ? ", the best so far" : "")
                """)
        case .saved(let path): logger.info("saved \(path)")
        case .stopped: console.progress("")
        case .finished(let run):
            console.progress("")
            for line in Self.lines(run) { logger.info("\(line)") }
        case .warning(let text): logger.warning("\(text)")
        case .note(let text): logger.info("\(text)")
        }
    }

    private func report(_ step: StepRecord) {
        steps += 1
        seconds += step.seconds
        interval.add(step)
        let left = clock(seconds / Double(steps) * Double(step.totalSteps - step.step))
        let speed = "\(grouped(Int(interval.tokensPerSecond.rounded()))) tokens/s"
        console.progress("step \(step.step)/\(step.totalSteps)  loss \(fixed(step.loss, 4))  \(speed)  ETA \(left)")
        guard step.step % loggingSteps == 0 || step.step == step.totalSteps else { return }
        if !console.isTerminal {
            logger.info(
                """
                step \(step.step)/\(step.totalSteps), epoch \(fixed(step.epoch, 2)), loss \(fixed(interval.loss, 4)), \
                learning rate \(scientific(step.learningRate)), gradient norm \(fixed(step.gradNorm, 3)), \(speed), \
                waited \(fixed(interval.waitShare * 100, 1)) %, ETA \(left)
                """)
        }
        interval = Interval()
    }

    private static func lines(_ run: RunSummary) -> [String] {
        let share = 100 * Double(run.trainableParameters) / Double(max(1, run.totalParameters))
        return [
            "model: \(run.model)",
            "ranks: \(run.ranks) on \(run.hosts.joined(separator: ", ")), threads per rank: \(run.threadsPerRank)",
            """
            trainable parameters: \(grouped(run.trainableParameters)) of \(grouped(run.totalParameters)) \
            (\(fixed(share, 3)) %)
            """,
            "all-reduce: \(bytes(run.allReduceBytesPerStep)) a step, arena: \(bytes(run.arenaBytes)) a rank",
        ] + run.dataReport + ["steps: \(grouped(run.totalSteps))"]
    }

    private static func lines(_ run: FinishSummary) -> [String] {
        let speed = run.seconds > 0 ? grouped(Int((Double(run.tokens) / run.seconds).rounded())) : "-"
        var lines = [
            """
            done: \(grouped(run.steps)) steps in \(clock(run.seconds)), \(grouped(run.tokens)) tokens, \(speed) tokens/s, \
            last loss \(fixed(run.lastLoss, 4))
            """
        ]
        if let best = run.best { lines.append("best held-out loss: \(fixed(best.loss, 4)) after step \(best.step)") }
        return lines + ["adapter: \(run.adapterPath)"]
    }
}

/// Sums over the steps since the last line.
private struct Interval {
    private var lossSum = 0.0, trainedTokens = 0, tokens = 0, seconds = 0.0, waitSeconds = 0.0

    mutating func add(_ step: StepRecord) {
        lossSum += step.loss * Double(step.trainedTokens)
        trainedTokens += step.trainedTokens
        tokens += step.tokens
        seconds += step.seconds
        waitSeconds += step.waitSeconds
    }

    /// Mean loss of all trained tokens.
    var loss: Double { lossSum / Double(max(1, trainedTokens)) }
    var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
    var waitShare: Double { seconds > 0 ? waitSeconds / seconds : 0 }
}
