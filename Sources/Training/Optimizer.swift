import Foundation
import LoRA
public import Tensors

/// AdamW on the adapter's slab. The state is the same for every rank; each updates its part, of a slab that ranks share, or all.
public struct Optimizer: Sendable {
    public let values: ParameterSlab, m: ParameterSlab, v: ParameterSlab
    /// Updates done.
    public var steps = 0
    private let config: TrainingConfig
    /// What the learning rate of each entry is multiplied by.
    private let rateFactors: [Double]
    /// Which entries decay: all but biases, as Transformers' Trainer has it.
    private let decays: [Bool]
    /// The elements that this rank updates.
    let part: Range<Int>

    /// Moments start at zero.
    public init(values: ParameterSlab, config: TrainingConfig) {
        self.init(
            values: values, m: ParameterSlab(values.layout), v: ParameterSlab(values.layout), config: config,
            part: 0..<values.layout.count)
    }

    /// - Parameters:
    ///   - values: what is trained.
    ///   - m: first moments.
    ///   - v: second moments.
    ///   - config: learning rate and all else that stays the same.
    ///   - part: the elements that this rank updates.
    init(
        values: ParameterSlab, m: ParameterSlab, v: ParameterSlab, config: TrainingConfig, part: Range<Int>
    ) {
        self.values = values
        self.m = m
        self.v = v
        self.part = part
        self.config = config
        // LoRA+ (Hayou et al. 2024): B learns faster than A; so do vectors (biases, DoRA's magnitudes) in PEFT's
        // create_loraplus_optimizer.
        rateFactors = values.layout.entries.map {
            Adapter.isB($0) || Adapter.isVector($0) ? config.loraPlusRatio : 1
        }
        decays = values.layout.entries.map { !Adapter.isBias($0) }
    }

    /// Moments start at zero and stand where the placement says; every rank must call this.
    /// - Throws: `SharedError`, as `StatePlacement.makeSlab`.
    init(values: ParameterSlab, config: TrainingConfig, placement: StatePlacement) throws {
        self.init(
            values: values, m: try placement.makeSlab(values.layout), v: try placement.makeSlab(values.layout),
            config: config, part: placement.part(of: values.layout.count))
    }

    /// Clips the gradient to the norm of the config, as torch.nn.utils.clip_grad_norm_ does, and makes one update
    /// of this rank's part.
    /// - Returns: the norm before clipping.
    public mutating func update(_ sums: ExactSums, learningRate: Double, on workers: Workers) -> Double {
        let norm = sums.norm
        steps += 1
        let limit = config.maxGradNorm
        let step = AdamWStep(
            learningRate: learningRate, beta1: config.adamBeta1, beta2: config.adamBeta2, epsilon: config.adamEpsilon,
            weightDecay: config.weightDecay, step: steps,
            gradientFactor: limit > 0 ? min(1, limit / (norm + 1e-6)) : 1)
        let (factors, decays) = (rateFactors, decays)
        step.apply(
            sums, values: values, m: m, v: v, rateFactor: { factors[$0] }, decays: { decays[$0] }, part: part,
            on: workers)
        return norm
    }
}
