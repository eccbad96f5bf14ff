import Layers
import Tensors
import Testing

/// Random numbers of a seed: SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        defer { state &+= 0x9E37_79B9_7F4A_7C15 }
        return CounterRandom.mix(state)
    }

    /// Floats of a range.
    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

extension Arena {
    /// An arena full of NaN: whoever reads what it has not written is found out.
    static func poisoned(bytes: Int) -> Arena {
        let arena = Arena(bytes: bytes)
        arena.matrix(arena.capacity / 4, 1).fill(.nan)
        arena.reset()
        return arena
    }

    /// A matrix that holds these values, row by row.
    func matrix(_ rows: Int, _ columns: Int, _ values: [Float]) -> MatrixView {
        let matrix = matrix(rows, columns)
        matrix.copy(from: values)
        return matrix
    }

    /// A matrix of random values.
    func random(_ rows: Int, _ columns: Int, _ random: inout Seeded) -> MatrixView {
        matrix(rows, columns, random.floats(rows * columns))
    }
}

/// ⟨a, b⟩ in Double.
func inner(_ a: MatrixView, _ b: MatrixView) -> Double {
    zip(a.elements, b.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

/// Checks a gradient along random directions of ±1: (f(θ + εv) − f(θ − εv)) / 2ε = ⟨gradient, v⟩.
///
/// With v of ±1 the right side is of the size of the gradient's norm, which the tolerance is relative to. ε = 3e-3 balances the
/// rounding of Float against the third derivative.
/// `parameters` are what the loss is a function of, with the gradient that backward gave for each; `loss` is computed anew from
/// them.
func checkGradient(
    of parameters: [(name: String, value: MatrixView, gradient: [Float])], tolerance: Double = 1e-3,
    sourceLocation: SourceLocation = #_sourceLocation, loss: () -> Double
) {
    let epsilon: Float = 3e-3
    var random = Seeded(99)
    for (name, value, gradient) in parameters {
        let start = value.elements
        let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(norm.isFinite && norm > 0, "\(name): the gradient's norm is \(norm)", sourceLocation: sourceLocation)
        for _ in 0..<2 {
            let signs = start.map { _ in Bool.random(using: &random) ? Float(1) : -1 }
            // The steps as they are after rounding, so that the direction is exact.
            let ahead = zip(start, signs).map { $0 + epsilon * $1 }
            let behind = zip(start, signs).map { $0 - epsilon * $1 }
            value.copy(from: ahead)
            let high = loss()
            value.copy(from: behind)
            let low = loss()
            value.copy(from: start)
            var expected = 0.0
            for i in start.indices { expected += Double(gradient[i]) * (Double(ahead[i]) - Double(behind[i])) }
            let error = abs(high - low - expected) / (2 * Double(epsilon) * norm)
            #expect(error < tolerance, "\(name): error \(error) of the gradient's norm", sourceLocation: sourceLocation)
        }
    }
}

/// The largest |found − expected|.
func worstDifference(_ found: [Float], _ expected: [Double]) -> Double {
    precondition(found.count == expected.count)
    return zip(found, expected).reduce(0) { worst, pair in
        let difference = abs(Double(pair.0) - pair.1)
        return difference.isNaN ? .infinity : max(worst, difference)
    }
}

/// Calls `body` with one, two and three workers, and checks that it returns the same bits each time.
func checkSameForAllWorkers(sourceLocation: SourceLocation = #_sourceLocation, _ body: (Workers) -> [[Float]]) {
    let results = (1...3).map { count in
        let workers = Workers(count: count)
        defer { workers.stop() }
        return body(workers).map { $0.map(\.bitPattern) }
    }
    #expect(results[1] == results[0], "two workers differ from one", sourceLocation: sourceLocation)
    #expect(results[2] == results[0], "three workers differ from one", sourceLocation: sourceLocation)
}

/// x Wᵀ in Double.  Shapes: x (rows, inner), w (columns, inner).
func productWithTranspose(_ x: [Double], _ w: [Double], rows: Int, inner: Int, columns: Int) -> [Double] {
    var out = [Double](repeating: 0, count: rows * columns)
    x.withUnsafeBufferPointer { x in
        w.withUnsafeBufferPointer { w in
            for i in 0..<rows {
                for j in 0..<columns {
                    var sum = 0.0
                    for k in 0..<inner { sum += x[i * inner + k] * w[j * inner + k] }
                    out[i * columns + j] = sum
                }
            }
        }
    }
    return out
}
