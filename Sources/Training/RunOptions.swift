/// What a training run is told beside its config.
public struct RunOptions: Sendable {
    /// Threads of each rank, in place of the config's; nil to leave that.
    public var threads: Int?
    /// Whether gradients are checked against finite differences and every layer's output for numbers that are not
    /// finite.
    public var debug = false
    /// Whether results that are in the output folder are removed.
    public var overwrite = false
    /// The checkpoint to go on from; nil for a new run.
    public var resume: Resume?
    /// Whether a resumed run may differ from its checkpoint in what decides results.
    public var acceptChanges = false
    /// Whether the whole base is hashed before the first step.
    public var verifyBase = false
    /// Gets wishes to stop.
    public var stop = StopRequest()
    /// Whether SIGUSR1, SIGTERM and SIGINT are wishes to stop. They must be caught then (`StopSignals.catchAll`).
    public var takesSignals = false
    /// When the run must have ended.
    public var deadline: StopDeadline?
    /// Says what cannot wait for an event, from any thread.
    public var say: @Sendable (String) -> Void = { _ in }
    /// The text of `config.yaml` for a resolved config.
    public var configText: @Sendable (RunConfig) throws -> String

    /// - Parameter configText: the text of `config.yaml` for a resolved config.
    public init(configText: @escaping @Sendable (RunConfig) throws -> String) { self.configText = configText }

    /// Which checkpoint a run goes on from.
    public enum Resume: Sendable, Equatable {
        /// The newest whole one of the output folder; without any, the run begins.
        case auto
        /// That of a folder.
        case path(String)
    }
}

/// What an evaluation is told beside its config.
public struct EvaluationOptions: Sendable {
    /// The folder of a PEFT adapter; nil to evaluate the base only.
    public var adapter: String?
    /// Threads of each rank, in place of the config's; nil to leave that.
    public var threads: Int?

    public init(adapter: String? = nil, threads: Int? = nil) {
        self.adapter = adapter
        self.threads = threads
    }
}

/// What an evaluation found.
public struct EvaluationResult: Sendable {
    /// Examples that were evaluated, their tokens, and those among them that count in the loss.
    public var examples: Int, tokens: Int, trainedTokens: Int
    /// Mean cross-entropy of these tokens in nats, by the base alone.
    public var baseLoss: Double
    /// The same with the adapter; nil without one.
    public var adapterLoss: Double?

    public init(examples: Int, tokens: Int, trainedTokens: Int, baseLoss: Double, adapterLoss: Double?) {
        self.examples = examples
        self.tokens = tokens
        self.trainedTokens = trainedTokens
        self.baseLoss = baseLoss
        self.adapterLoss = adapterLoss
    }
}

/// How answers are made.
public struct GenerationOptions: Sendable {
    /// The folder of a PEFT adapter; nil for the base alone.
    public var adapter: String?
    /// Threads, in place of the config's; nil to leave that.
    public var threads: Int?
    /// The most tokens of an answer.
    public var maxNewTokens: Int
    /// 0 takes the likeliest token each time; above, tokens are drawn from softmax(logits / temperature).
    public var temperature: Double
    /// Tokens are drawn from the likeliest that together have this probability; 1 for all.
    public var topP: Double
    /// Tokens are drawn from so many of the likeliest; 0 for all.
    public var topK: Int
    public var seed: Int

    public init(
        adapter: String? = nil, threads: Int? = nil, maxNewTokens: Int = 256, temperature: Double = 0, topP: Double = 1,
        topK: Int = 0, seed: Int = 42
    ) {
        self.adapter = adapter
        self.threads = threads
        self.maxNewTokens = maxNewTokens
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.seed = seed
    }
}

/// An answer of the model.
public struct Answer: Sendable {
    /// The number of the prompt, from 0.
    public var prompt: Int
    /// The answer without the token that ends it.
    public var text: [UInt8]
    /// Tokens of the prompt and of the answer.
    public var promptTokens: Int, answerTokens: Int
    /// Whether the model ended the answer itself, within the most tokens allowed.
    public var isComplete: Bool
    /// Wall time of all answers together, in seconds.
    public var seconds: Double

    public init(
        prompt: Int, text: [UInt8], promptTokens: Int, answerTokens: Int, isComplete: Bool, seconds: Double
    ) {
        self.prompt = prompt
        self.text = text
        self.promptTokens = promptTokens
        self.answerTokens = answerTokens
        self.isComplete = isComplete
        self.seconds = seconds
    }
}
