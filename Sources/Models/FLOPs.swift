import Layers
import LoRA
import Tensors

/// Floating-point operations of a training step as its mathematics needs them; what is computed twice counts once.
///
/// A product of (m, k) and (k, n) counts 2·m·k·n. Linear maps count forward and with respect to their input (not below the
/// lowest adapted layer's input), A and B forward, with respect to their input (the same) and to themselves, attention two products
/// forward and four backward over the pairs of tokens that see each other, the head two at trained positions, three where it is
/// trained. All else is left out.
public struct StepFLOPs: Sendable, Equatable {
    public var linear = 0.0, lora = 0.0, attention = 0.0, head = 0.0
    public var total: Double { linear + lora + attention + head }

    /// Every part times a factor.
    public func scaled(by factor: Double) -> StepFLOPs {
        StepFLOPs(
            linear: linear * factor, lora: lora * factor, attention: attention * factor, head: head * factor)
    }
}

extension Decoder {
    /// The operations of `train` on examples of these lengths with so many trained tokens.
    public func trainingFLOPs(exampleLengths: [Int], trained: Int) -> StepFLOPs {
        var flops = StepFLOPs()
        guard let lowest = lowestAdapted else { return flops }
        let tokens = Double(exampleLengths.reduce(0, +))
        let pairs = exampleLengths.reduce(0.0) { $0 + Double($1) * Double($1 + 1) / 2 }
        let config = base.config
        for layer in layers {
            let isBelow = layer.index < lowest
            let groups = [layer.attentionInput, layer.attentionOutput, layer.mlpInput, layer.mlpOutput]
            for (index, group) in groups.enumerated() {
                let needsInput = layer.index > lowest || (layer.index == lowest && index > 0)
                for projection in group.projections {
                    let product = 2 * tokens * Double(projection.weight.rows) * Double(projection.weight.columns)
                    flops.linear += needsInput ? 2 * product : product
                    if let adapter = projection.adapter {
                        let thin = 3 * projection.weight.rows + (needsInput ? 3 : 2) * projection.weight.columns
                        flops.lora += 2 * tokens * Double(adapter.rank) * Double(thin)
                    }
                }
            }
            let product = 2 * pairs * Double(config.heads * config.headSize)
            flops.attention += isBelow ? 2 * product : 6 * product
        }
        flops.head = headFLOPs(trained: trained)
        return flops
    }

    /// Operations of a training step in the head for so many predictions that are trained.
    public func headFLOPs(trained: Int) -> Double {
        2 * Double(headProducts) * Double(trained) * Double(base.config.vocabulary) * Double(base.config.hidden)
    }

    /// Products of a training step with the head: forward, for the gradient of what it reads and, where it is trained, for its own.
    public var headProducts: Int { adapter?.whole[.head] == nil ? 2 : 3 }
}
