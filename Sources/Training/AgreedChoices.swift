import Collectives
import Foundation
import Models
import Tensors

/// The config with what is chosen automatically, chosen by rank 0 for all: the day that chat templates print, unless the config
/// says it, and the precision in the place of `auto`.
func agreed(_ config: RunConfig, _ world: Communicator) throws -> RunConfig {
    var config = config
    if config.data.templateDate == nil {
        let today = Date.now.formatted(.iso8601.year().month().day())
        config.data.templateDate = String(decoding: try world.broadcast(Array(today.utf8)), as: UTF8.self)
    }
    if config.model.dtype == .auto {
        let name = try world.broadcast(Array(Precision.best.rawValue.utf8))
        config.model.dtype = ModelConfig.Precision(rawValue: String(decoding: name, as: UTF8.self))!
    }
    return config
}

/// What to say where a rank's CPU has no bf16 instructions and bf16 is asked for; nil elsewhere. Every rank must call this.
func slowPrecisionWarning(_ config: RunConfig, _ world: Communicator) throws -> String? {
    guard config.model.precision == .bf16 else { return nil }
    let ranks = try world.allGather([Precision.hasFastBF16 ? 1 : 0]).enumerated().filter { $1 == [0] }.map(\.offset)
    guard let first = ranks.first else { return nil }
    return "model.dtype is bf16, but the CPU of rank \(first) on \(world.hostNames[first])"
        + (ranks.count > 1 ? " (and of \(ranks.count - 1) more)" : "")
        + " has no AVX512-BF16: products are slower there than with model.dtype: fp32"
}

extension ModelConfig {
    /// What products are computed in; `auto` is what this CPU is fast at.
    var precision: Tensors.Precision {
        switch dtype {
        case .auto: .best
        case .fp32: .fp32
        case .bf16: .bf16
        }
    }
}

extension RunConfig {
    /// The config with what depends on the model's shape alone: the most tokens of a micro-batch, fewer where each has more features.
    /// Products are then large enough to run at full speed, and what is kept of a layer is about as much for all models.
    func completed(for model: DecoderConfig) -> RunConfig {
        guard training.microBatchTokens == TrainingConfig.automatic else { return self }
        var config = self
        config.training.microBatchTokens = model.hidden < 2048 ? 2048 : model.hidden < 4096 ? 1024 : 512
        return config
    }
}
