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
    /// - Parameters:
    ///   - sums: the gradient.
    ///   - values: of the same layout.
    ///   - m: first moments.
    ///   - v: second moments.
    ///   - rateFactor: what the learning rate of an entry is multiplied by.
    ///   - decays: whether an entry decays.
    ///   - part: the elements that are updated, all if left out; no other is read or written. An update by parts gives the same bits.
    ///   - workers: share the elements.
    public func apply(
        _ sums: ExactSums, values: ParameterSlab, m: ParameterSlab, v: ParameterSlab,
        rateFactor: (_ entry: Int) -> Double = { _ in 1 }, decays: (_ entry: Int) -> Bool = { _ in true },
        part: Range<Int>? = nil, on workers: Workers
    ) {
        precondition(sums.layout == values.layout && m.layout == values.layout && v.layout == values.layout)
        // Entries that follow each other with one rate and one decay are one stretch.
        var stretches: [(range: Range<Int>, factor: Double, decays: Bool)] = []
        for (index, entry) in values.layout.entries.enumerated() {
            let (factor, decays) = (rateFactor(index), decays(index))
            if let last = stretches.last, last.factor == factor, last.decays == decays {
                stretches[stretches.count - 1].range = last.range.lowerBound..<entry.offset + entry.count
            } else {
                stretches.append((entry.offset..<entry.offset + entry.count, factor, decays))
            }
        }
        for stretch in stretches {
            apply(
                sums, values, m, v, part.map(stretch.range.clamped) ?? stretch.range,
                rate: learningRate * stretch.factor, decay: stretch.decays ? weightDecay : 0, workers)
        }
    }

    private func apply(
        _ sums: ExactSums, _ values: ParameterSlab, _ m: ParameterSlab, _ v: ParameterSlab, _ stretch: Range<Int>,
        rate: Double, decay: Double, _ workers: Workers
    ) {
        let constants = ck_adamw(
            learning_rate: Float(rate), beta2: Float(beta2), epsilon: Float(epsilon),
            weight_decay: Float(decay), one_minus_beta1: Float(1 - beta1), one_minus_beta2: Float(1 - beta2),
            bias_correction1: Float(1 - pow(beta1, Double(step))),
            bias_correction2_root: Float((1 - pow(beta2, Double(step))).squareRoot()),
            gradient_scale: gradientFactor * 0x1p-48)
        workers.rows(stretch.count, grain: 65_536) { range, _ in
            withUnsafePointer(to: constants) { constants in
                let first = stretch.lowerBound + range.lowerBound
                ck_adamw_update(
                    constants, sums.pointer + first, values.pointer + first, m.pointer + first, v.pointer + first,
                    range.count)
            }
        }
    }
}
