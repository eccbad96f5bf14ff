import ArgumentParser
import JSONText
import Models
import Training

/// The base that a command is given by its options: a model or, in its place, a known shape.
struct BaseChoice {
    /// `--model` and `--shape`.
    let model: String?, shape: String?

    /// - Throws: `ValidationError` for both together, or an unknown shape.
    func validate() throws {
        guard let shape else { return }
        if model != nil { throw ValidationError("--shape: given together with --model, expected one of them") }
        if KnownShape.named(shape) == nil {
            throw ValidationError("--shape: found \(printable(shape)), expected \(KnownShape.names(of: "or"))")
        }
    }

    /// The shape; nil where a model is given.
    var known: KnownShape? { shape.flatMap { KnownShape.named($0) } }

    /// The config, with the model in it.
    /// - Throws: `ConfigError` for the first thing that is wrong; `InputError` if there is no such model.
    func load(_ options: ConfigOptions) throws -> RunConfig {
        let config = try options.load(
            needs: shape == nil ? [.model] : [], overrides: [("--model", "model.path", model.map { .string($0) })])
        if shape == nil { try InputFiles.checkModel(config) }
        return config
    }
}
