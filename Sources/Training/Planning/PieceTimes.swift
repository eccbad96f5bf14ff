import LoRA
import Models
import Tensors

/// Seconds of a micro-batch as a function of its size, at some number of threads.
struct PieceTimes {
    /// A number that grows with a size from some number at 0 on.
    struct Line: Equatable {
        var base: Double, slope: Double

        /// Through two points, neither part below 0.
        init(_ small: (size: Double, seconds: Double), _ large: (size: Double, seconds: Double)) {
            let rise = large.size > small.size ? (large.seconds - small.seconds) / (large.size - small.size) : 0
            // Noise may tilt the line; what costs nothing at size 0 is the other extreme.
            slope = min(max(rise, 0), large.seconds / large.size)
            if slope == 0 { slope = large.seconds / large.size }
            base = max(0, large.seconds - slope * large.size)
        }

        init(slope: Double) { (base, self.slope) = (0, slope) }

        func callAsFunction(_ size: Int) -> Double { size == 0 ? 0 : base + slope * Double(size) }

        func scaled(by factor: Double) -> Line {
            var line = self
            line.base *= factor
            line.slope *= factor
            return line
        }
    }

    /// All layers, forward and backward, by tokens, without the attention of longer examples; and the head by trained tokens.
    var layers: Line, head: Line
    /// Seconds for each pair of tokens that see each other, beyond `pairsPerToken` for each token.
    var pair: Double, pairsPerToken: Double
    /// What the forward pass takes of `layers`, and of `head`.
    var forwardShare: Double, headForwardShare: Double
    /// Clearing the sums and the optimizer, once a step.
    var update: Double

    /// A micro-batch of training.
    func training(_ piece: PlannedWork.Piece) -> Double {
        layers(piece.tokens) + attention(piece) + head(piece.trained)
    }

    /// A micro-batch of an evaluation, which has a forward pass only.
    func evaluation(_ piece: PlannedWork.Piece) -> Double {
        forwardShare * (layers(piece.tokens) + attention(piece)) + headForwardShare * head(piece.trained)
    }

    private func attention(_ piece: PlannedWork.Piece) -> Double {
        max(-0.5 * layers(piece.tokens), pair * (piece.pairs - pairsPerToken * Double(piece.tokens)))
    }

    /// On other threads, all of which are busy.
    func scaled(by factor: Double) -> PieceTimes {
        var times = self
        times.layers = layers.scaled(by: factor)
        times.head = head.scaled(by: factor)
        times.pair *= factor
        times.update *= factor
        return times
    }
}

extension PieceTimes {
    /// What a step reaches of the rate of raw products of the same precision, from `lora-dist bench` (see the README on speed).
    static func efficiency(_ precision: String) -> Double { precision == "bf16" ? 0.75 : 0.82 }

    /// From a rate of raw products.
    /// - Parameters:
    ///   - rate: operations a second.
    ///   - decoder: the whole, planned.
    ///   - parameters: trained numbers.
    init(rate: Double, decoder: Decoder, parameters: Int) {
        let rate = rate * Self.efficiency(decoder.precision.rawValue)
        let count = 256
        let flops = decoder.trainingFLOPs(exampleLengths: [Int](repeating: 1, count: count), trained: count)
        let products = (flops.linear + flops.lora) / Double(count)
        // Attention is counted by pairs: two products forward and four backward.
        let config = decoder.base.config
        pair = 12 * Double(config.heads * config.headSize * config.layers) / rate
        pairsPerToken = 0
        // Beside the forward and backward pass, half of the work each, what is computed again for the latter.
        let again =
            switch decoder.checkpointing {
            case .none: 0.0
            case .selective: 0.1
            case .block: 0.5
            }
        layers = Line(slope: products * (1 + again) / rate)
        head = Line(slope: flops.head / Double(count) / rate)
        forwardShare = 0.5 / (1 + again)
        headForwardShare = 1 / Double(decoder.headProducts)
        // Some 60 bytes a number of reads and writes at 10 GB/s, and for DoRA W Aᵀ of every module.
        let norms = (decoder.adapter?.norms == nil ? [] : decoder.adapter!.modules).reduce(0.0) { sum, module in
            let entries = decoder.adapter!.values.layout.entries
            return sum + 2 * Double(entries[module.a].count) * Double(entries[module.b].rows)
        }
        update = 6e-9 * Double(parameters) + norms / rate
    }
}
