import CKernels
import Glibc

/// The numbers of one AdamW update.
public struct AdamWStep: Sendable {
    public var learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double
    /// Updates done, this one included; from 1.
    public var step: Int
    /// The gradient is the sum times this factor (from clipping).
    public var gradientFactor: Double

    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int,
        gradientFactor: Double
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.step = step
        self.gradientFactor = gradientFactor
    }

    /// Updates values and both moments in place. (Loshchilov & Hutter 2019, algorithm 2, as torch.optim.AdamW: the decay is
    /// applied to the value before the step, epsilon is added after the bias correction of the root.)
    public func apply(_ sums: ExactSums, values: ParameterSlab, m: ParameterSlab, v: ParameterSlab, on workers: Workers)
    {
        precondition(sums.layout == values.layout && m.layout == values.layout && v.layout == values.layout)
        let constants = ck_adamw(
            learning_rate: Float(learningRate), beta2: Float(beta2), epsilon: Float(epsilon),
            weight_decay: Float(weightDecay), one_minus_beta1: Float(1 - beta1), one_minus_beta2: Float(1 - beta2),
            bias_correction1: Float(1 - pow(beta1, Double(step))),
            bias_correction2_root: Float((1 - pow(beta2, Double(step))).squareRoot()),
            gradient_scale: gradientFactor * 0x1p-48)
        workers.rows(values.layout.count, grain: 65_536) { range, _ in
            withUnsafePointer(to: constants) { constants in
                let first = range.lowerBound
                ck_adamw_update(
                    constants, sums.pointer + first, values.pointer + first, m.pointer + first, v.pointer + first,
                    range.count)
            }
        }
    }
}
