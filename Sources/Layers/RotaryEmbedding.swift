import Foundation
public import Tensors

/// Rotary positions (Su et al. 2021) in the layout of Hugging Face: feature i of a head turns with feature i + size/2.
public struct RotaryEmbedding: Sendable {
    /// How frequencies are changed for long contexts.
    public enum Scaling: Sendable, Equatable {
        case none
        /// All frequencies divided by the factor.
        case linear(factor: Double)
        /// Llama 3.1: low frequencies divided by the factor, high ones kept, those between interpolated.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Int)
        /// Each frequency divided by its own factor, as the GGUF tensor `rope_freqs.weight` holds them.
        case factors([Float])
    }

    private let cosine: ConstantMatrix, sine: ConstantMatrix
    /// Positions in the table.
    public let positions: Int

    /// - Parameters:
    ///   - positions: the largest position is one less.
    ///   - headSize: features of a head; even.
    ///   - theta: the base of the frequencies, `rope_theta`.
    ///   - scaling: how frequencies are changed for long contexts.
    public init(positions: Int, headSize: Int, theta: Double, scaling: Scaling) {
        let frequencies = Self.frequencies(headSize: headSize, theta: theta, scaling: scaling)
        let half = frequencies.count
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positions * half)
        sines.reserveCapacity(positions * half)
        for position in 0..<positions {
            for frequency in frequencies {
                let angle = Float(position) * frequency
                cosines.append(cos(angle))
                sines.append(sin(angle))
            }
        }
        cosine = ConstantMatrix(rows: positions, columns: half, values: cosines)
        sine = ConstantMatrix(rows: positions, columns: half, values: sines)
        self.positions = positions
    }

    /// The turning speeds of a head's pairs, in radians a position, computed in Float as Transformers does.
    public static func frequencies(headSize: Int, theta: Double, scaling: Scaling) -> [Float] {
        let plain = stride(from: 0, to: headSize, by: 2).map { i in
            1 / powf(Float(theta), Float(i) / Float(headSize))
        }
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / Float(factor) }
        case .factors(let factors): return zip(plain, factors).map { $0 / $1 }
        case .llama3(let factor, let low, let high, let original):
            let lowWavelength = Float(Double(original) / low)
            let highWavelength = Float(Double(original) / high)
            return plain.map { frequency in
                let wavelength = 2 * Float.pi / frequency
                if wavelength > lowWavelength { return frequency / Float(factor) }
                if wavelength < highWavelength { return frequency }
                let smooth = (Float(original) / wavelength - Float(low)) / Float(high - low)
                return (1 - smooth) * frequency / Float(factor) + smooth * frequency
            }
        }
    }

    /// Rotates x in place; `inverse` rotates back, which takes a gradient with respect to the output to one of the input.
    /// Shapes: x (tokens, heads · headSize), tokenPositions (tokens).
    public func apply(_ x: MatrixView, heads: Int, tokenPositions: [Int32], inverse: Bool = false, on workers: Workers)
    {
        workers.rows(x.rows) { range, _ in
            for t in range {
                x.rotate(
                    row: t, heads: heads, cosine: cosine.view, sine: sine.view, position: Int(tokenPositions[t]),
                    inverse: inverse)
            }
        }
    }
}
