import Collectives
import JSONText
import Tensors

/// `state.json` of a checkpoint: all that is not a matrix.
struct CheckpointState {
    /// Of this file's form.
    static let version = 2

    var progress: RunProgress
    /// The resolved config, as `RunConfig.tree`.
    var config: JSON
    var identity: RunIdentity
    /// What decides the last bits of results: the CPU's instructions and the libraries.
    var fingerprint: String
    /// SHA-256 of the whole base, if it was known.
    var baseSHA256: String?

    init(progress: RunProgress, config: JSON, identity: RunIdentity, fingerprint: String, baseSHA256: String?) {
        self.progress = progress
        self.config = config
        self.identity = identity
        self.fingerprint = fingerprint
        self.baseSHA256 = baseSHA256
    }

    var json: JSON {
        .object(
            JSONObject([
                ("version", .integer(Int64(Self.version))), ("progress", progress.json),
                ("identity", identity.json), ("fingerprint", .string(fingerprint)),
                ("base_sha256", baseSHA256.map { .string($0) } ?? .null), ("config", config),
            ]))
    }

    /// Reads the text of a `state.json`.
    /// - Throws: `InputError` that names the file.
    init(text: [UInt8], file: String) throws {
        let json: JSON
        do { json = try JSON(parsing: text) } catch { throw InputError(file, reason: "\(error)") }
        guard json["version"]?.int == Self.version else {
            throw InputError(
                file,
                reason: "version \(json["version"]?.text() ?? "none") of the file's form; this program reads "
                    + "\(Self.version): resume with the program that wrote it")
        }
        guard let progress = json["progress"].flatMap(RunProgress.init(json:)),
            let identity = json["identity"].flatMap(RunIdentity.init(json:)),
            let fingerprint = json["fingerprint"]?.string, let config = json["config"], config.object != nil
        else { throw InputError(file, reason: "not the state of a checkpoint") }
        self.init(
            progress: progress, config: config, identity: identity, fingerprint: fingerprint,
            baseSHA256: json["base_sha256"]?.string)
    }
}

extension RunConfig {
    /// Keys that a resumed run may change: they decide where, how long and how visibly it runs, not what a step computes. Files
    /// are compared by their content instead.
    private static let free: Set<String> = [
        "model.path", "model.base_name", "lora.init_adapter", "data.train", "data.eval", "data.chat_template",
        "training.num_train_epochs", "training.max_steps", "training.logging_steps", "training.eval_steps",
        "training.save_steps", "training.save_total_limit", "training.save_on_best", "training.on_save_error",
        "training.audit_steps", "training.collective_timeout", "training.stop_grace", "training.threads",
        "training.early_stopping_patience", "training.activation_checkpointing", "training.state_placement",
        "training.on_nonfinite", "output.dir", "output.save_pissa_as", "output.adapter_dtype",
    ]

    /// The keys whose values differ from those of a checkpoint's config and that decide what a step computes, with both values. A key
    /// that is missing, as in a config from before there was one, has its default.
    func changes(since old: JSON) -> [String] {
        let (new, defaults) = (tree, RunConfig().tree)
        return ConfigKeys.sections.flatMap { section in
            section.keys.compactMap { key -> String? in
                let path = "\(section.name).\(key)"
                guard !Self.free.contains(path) else { return nil }
                let usual = defaults[section.name]?[key] ?? .null
                let (was, now) = (old[section.name]?[key] ?? usual, new[section.name]?[key] ?? usual)
                guard was.text() != now.text() else { return nil }
                return "\(path) was \(was.text()) and is \(now.text())"
            }
        }
    }
}
