public import JSONText

/// All that a run is told: the sections of a config file.
///
/// `init(tree:)` reads a config strictly; `tree` writes it back with every value, and what it writes reads as an equal
/// config.
public struct RunConfig: Sendable, Equatable {
    public var model = ModelConfig()
    public var lora = LoRAConfig()
    public var data = DataConfig()
    public var training = TrainingConfig()
    public var output = OutputConfig()

    /// The defaults.
    public init() {}

    /// Keys that a command cannot do without.
    public enum Need: String, Sendable {
        case model = "model.path"
        case trainingData = "data.train"
        case outputFolder = "output.dir"
        /// `data.eval`, or `data.eval_split` of `data.train`.
        case heldOutData = "data.eval"
    }

    /// Reads a config.
    /// - Parameters:
    ///   - tree: sections → keys → values.
    ///   - origins: where a key (`training.learning_rate`) was given, for messages.
    ///   - needs: the keys that must be there.
    /// - Throws: `ConfigError` for unknown keys, wrong types, values out of range, keys that do not go together and keys
    ///   that are missing; the first found.
    public init(tree: JSON, origins: [String: String] = [:], needs: [Need] = []) throws(ConfigError) {
        try ConfigKeys.check(tree, origins: origins)
        model = try ModelConfig(in: tree, origins: origins)
        lora = try LoRAConfig(in: tree, origins: origins)
        data = try DataConfig(in: tree, origins: origins)
        training = try TrainingConfig(in: tree, origins: origins)
        output = try OutputConfig(in: tree, origins: origins)
        try checkStartingAdapter(tree, origins)
        try checkHeldOutData(origins)
        for need in needs { try check(need) }
    }

    /// Every section with every value that applies.
    public var tree: JSON {
        .object(
            JSONObject([
                (ModelConfig.name, model.tree()),
                (LoRAConfig.name, lora.tree(leavingOut: lora.initAdapter == nil ? [] : LoRAConfig.shapeKeys)),
                (DataConfig.name, data.tree()),
                (TrainingConfig.name, training.tree()),
                (OutputConfig.name, output.tree()),
            ]))
    }

    /// Whether there is a held-out part to evaluate on.
    public var hasHeldOutData: Bool { !data.eval.isEmpty || data.evalSplit != nil }

    /// A starting adapter brings its own shape; a config that says another one as well contradicts itself.
    private func checkStartingAdapter(_ tree: JSON, _ origins: [String: String]) throws(ConfigError) {
        guard lora.initAdapter != nil else { return }
        for key in LoRAConfig.shapeKeys where tree[LoRAConfig.name]?[key] != nil {
            let path = "\(LoRAConfig.name).\(key)"
            throw ConfigError(
                key: path, reason: "the adapter in lora.init_adapter says this already; remove one of the two",
                origin: origins[path])
        }
    }

    private func checkHeldOutData(_ origins: [String: String]) throws(ConfigError) {
        if !data.eval.isEmpty, data.evalSplit != nil {
            throw ConfigError(
                key: "data.eval_split", reason: "data.eval is given as well; remove one of the two",
                origin: origins["data.eval_split"])
        }
        let users: [(key: String, isUsed: Bool)] = [
            ("training.eval_steps", training.evalSteps != nil),
            ("training.early_stopping_patience", training.earlyStoppingPatience != nil),
            ("training.load_best_model_at_end", training.loadBestModelAtEnd),
        ]
        for user in users where user.isUsed && !hasHeldOutData {
            throw ConfigError(
                key: user.key, reason: "there is nothing to evaluate on; give data.eval or data.eval_split",
                origin: origins[user.key])
        }
        for user in users.dropFirst() where user.isUsed && training.evalSteps == nil {
            throw ConfigError(
                key: user.key, reason: "it compares evaluations during training; give training.eval_steps",
                origin: origins[user.key])
        }
    }

    private func check(_ need: Need) throws(ConfigError) {
        switch need {
        case .model where model.path == nil:
            throw ConfigError(key: need.rawValue, reason: "missing; give a Hugging Face model folder or a GGUF file")
        case .trainingData where data.train.isEmpty:
            throw ConfigError(key: need.rawValue, reason: "missing; give a JSONL file or a list of them")
        case .outputFolder where output.dir == nil:
            throw ConfigError(key: need.rawValue, reason: "missing; give a folder for the results")
        case .heldOutData where data.eval.isEmpty && (data.evalSplit == nil || data.train.isEmpty):
            throw ConfigError(
                key: need.rawValue, reason: "missing; give a JSONL file, or data.train with data.eval_split")
        default: return
        }
    }
}
