import Foundation
import JSONText

/// How far a run has come: with the adapter and its moments, all that decides what follows.
struct RunProgress: Equatable {
    /// Steps done, and updates among them: a step that is skipped makes none.
    var steps = 0, updates = 0
    /// Tokens of all global batches.
    var tokens = 0
    /// Wall time of the steps and evaluations, in seconds.
    var seconds = 0.0
    /// Mean loss of the last step's trained tokens, in nats.
    var lastLoss = Double.nan
    /// The best evaluation, and how many have come since.
    var best: EvaluationRecord?
    var evaluationsWithoutGain = 0
    /// The steps that were done at the last evaluation.
    var evaluatedSteps: Int?

    /// What numbers of steps may be.
    private static let counts = 0...Int(Int32.max)

    init() {}

    /// Reads what `json` gave.
    init?(json: JSON) {
        guard let steps = json["steps"]?.int, let updates = json["updates"]?.int, let tokens = json["tokens"]?.int,
            let seconds = json["seconds"]?.double, let without = json["evaluations_without_gain"]?.int,
            Self.counts.contains(steps), (0...steps).contains(updates), (0...1 << 60).contains(tokens), seconds >= 0,
            Self.counts.contains(without)
        else { return nil }
        self.steps = steps
        self.updates = updates
        self.tokens = tokens
        self.seconds = seconds
        lastLoss = json["last_loss"]?.double ?? .nan
        evaluationsWithoutGain = without
        evaluatedSteps = json["evaluated_steps"]?.int
        if let best = json["best"], !best.isNull {
            guard let step = best["step"]?.int, Self.counts.contains(step), let loss = best["loss"]?.double else {
                return nil
            }
            self.best = EvaluationRecord(step: step, loss: loss, perplexity: exp(loss), isBest: true)
        }
    }

    var json: JSON {
        func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
        return .object(
            JSONObject([
                ("steps", integer(steps)), ("updates", integer(updates)), ("tokens", integer(tokens)),
                ("seconds", .number(seconds)), ("last_loss", lastLoss.isFinite ? .number(lastLoss) : .null),
                (
                    "best",
                    best.map {
                        .object(JSONObject([("step", integer($0.step)), ("loss", .number($0.loss))]))
                    } ?? .null
                ), ("evaluations_without_gain", integer(evaluationsWithoutGain)),
                ("evaluated_steps", evaluatedSteps.map(integer) ?? .null),
            ]))
    }

    static func == (a: RunProgress, b: RunProgress) -> Bool { a.json.text() == b.json.text() }
}
