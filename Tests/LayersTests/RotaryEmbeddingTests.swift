import Foundation
import Layers
import Tensors
import Testing

@Suite struct RotaryEmbeddingTests {
    static let scalings: [RotaryEmbedding.Scaling] = [
        .none, .linear(factor: 4),
        .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 64),
        .factors([1, 2, 0.5, 8]),
    ]

    /// The turning speed of pair i, from the papers' formulas in Double.
    private func speed(_ i: Int, headSize: Int, theta: Double, _ scaling: RotaryEmbedding.Scaling) -> Double {
        let plain = pow(theta, -2 * Double(i) / Double(headSize))
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain / factor
        case .factors(let factors): return plain / Double(factors[i])
        case .llama3(let factor, let low, let high, let original):
            let turns = Double(original) * plain / (2 * .pi)
            if turns < low { return plain / factor }
            if turns > high { return plain }
            let share = (turns - low) / (high - low)
            return (1 - share) * plain / factor + share * plain
        }
    }

    @Test(arguments: scalings) func turnsPairsByPosition(_ scaling: RotaryEmbedding.Scaling) {
        var random = Seeded(11)
        let (heads, size, tokens) = (3, 8, 40)
        let positions = (0..<Int32(tokens)).map { $0 < 25 ? $0 * 4 : $0 - 25 }
        let rotary = RotaryEmbedding(positions: 97, headSize: size, theta: 100, scaling: scaling)
        #expect(rotary.positions == 97)
        let arena = Arena.poisoned(bytes: 1 << 20)
        let start = random.floats(tokens * heads * size)
        let (x, dy) = (arena.matrix(tokens, heads * size, start), arena.random(tokens, heads * size, &random))
        let dx = arena.matrix(tokens, heads * size)
        checkSameForAllWorkers { workers in
            x.copy(from: start)
            dx.copy(from: dy)
            rotary.apply(x, heads: heads, tokenPositions: positions, on: workers)
            rotary.apply(dx, heads: heads, tokenPositions: positions, inverse: true, on: workers)
            return [x.elements, dx.elements]
        }
        var expected = start.map(Double.init)
        for t in 0..<tokens {
            for head in 0..<heads {
                for i in 0..<size / 2 {
                    let place = t * heads * size + head * size + i
                    let angle = Double(positions[t]) * speed(i, headSize: size, theta: 100, scaling)
                    let (a, b) = (Double(start[place]), Double(start[place + size / 2]))
                    expected[place] = a * cos(angle) - b * sin(angle)
                    expected[place + size / 2] = b * cos(angle) + a * sin(angle)
                }
            }
        }
        // Angles to 200 in Float are off by 1e-5.
        #expect(worstDifference(x.elements, expected) < 3e-5)

        let workers = Workers(count: 1)
        let y = arena.matrix(tokens, heads * size)
        x.copy(from: start)
        checkGradient(of: [("x", x, dx.elements)]) {
            y.copy(from: x)
            rotary.apply(y, heads: heads, tokenPositions: positions, on: workers)
            return inner(y, dy)
        }
    }
}
