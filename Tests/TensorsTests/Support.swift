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
    /// A matrix that holds these values, row by row.
    func matrix(_ rows: Int, _ columns: Int, _ values: [Float]) -> MatrixView {
        let matrix = matrix(rows, columns)
        matrix.copy(from: values)
        return matrix
    }

    /// A matrix of NaN: whoever reads it before writing it is found out.
    func poisoned(_ rows: Int, _ columns: Int) -> MatrixView {
        let matrix = matrix(rows, columns)
        matrix.fill(.nan)
        return matrix
    }
}

/// A matrix in Double, with the sum of the magnitudes behind each element, which bounds its rounding errors.
struct Reference {
    let rows: Int, columns: Int
    var values: [Double]
    var magnitudes: [Double]

    init(rows: Int, columns: Int, filledWith values: [Float]? = nil) {
        self.rows = rows
        self.columns = columns
        self.values = values.map { $0.map(Double.init) } ?? [Double](repeating: 0, count: rows * columns)
        magnitudes = self.values.map(abs)
    }

    /// Adds factor · a · b.  Shapes: a (rows, inner), b (inner, columns).
    mutating func add(_ a: [Float], _ b: [Float], inner: Int, factor: Double = 1) {
        precondition(a.count == rows * inner && b.count == inner * columns)
        values.withUnsafeMutableBufferPointer { values in
            magnitudes.withUnsafeMutableBufferPointer { magnitudes in
                a.withUnsafeBufferPointer { a in
                    b.withUnsafeBufferPointer { b in
                        for i in 0..<rows {
                            for k in 0..<inner {
                                let left = factor * Double(a[i * inner + k])
                                for j in 0..<columns {
                                    let term = left * Double(b[k * columns + j])
                                    values[i * columns + j] += term
                                    magnitudes[i * columns + j] += abs(term)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The largest error of `found`, in units of 2⁻²⁴ times the sum of magnitudes; infinite where something is not finite.
    func worstError(_ found: [Float]) -> Double {
        precondition(found.count == values.count)
        var worst = 0.0
        for i in found.indices {
            let error = abs(Double(found[i]) - values[i])
            if error == 0 { continue }
            worst = error.isFinite ? max(worst, error / (magnitudes[i] * 0x1p-24)) : .infinity
        }
        return worst
    }
}

/// The transpose of a (rows, columns) matrix.
func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    var out = [Float](repeating: 0, count: values.count)
    for i in 0..<rows { for j in 0..<columns { out[j * rows + i] = values[i * columns + j] } }
    return out
}

/// What is allowed for a sum of `terms` products, in units of 2⁻²⁴ times the sum of their magnitudes: errors grow as a random
/// walk, so with the root of the count, and a sum of few terms may lose one unit in each of them.
func sumTolerance(_ terms: Int) -> Double { 2 + Double(terms).squareRoot() }

/// The bit patterns of a matrix.
func bits(_ matrix: MatrixView) -> [UInt32] { matrix.elements.map(\.bitPattern) }

/// Calls `body` with one, two and three workers, and checks that it returns the same each time.
func checkSameForAllWorkers<Result: Equatable>(
    _ body: (Workers) -> Result, sourceLocation: SourceLocation = #_sourceLocation
) -> Result {
    let results = (1...3).map { count in
        let workers = Workers(count: count)
        defer { workers.stop() }
        return body(workers)
    }
    #expect(results[1] == results[0], "two workers differ from one", sourceLocation: sourceLocation)
    #expect(results[2] == results[0], "three workers differ from one", sourceLocation: sourceLocation)
    return results[0]
}

extension DropoutMask {
    /// y = mask(x), (tokens, features) both.
    func apply(_ x: MatrixView, into y: MatrixView, on workers: Workers) {
        y.copy(from: x)
        workers.rows(y.rows) { range, _ in
            for token in range { apply(row: token, to: y.rows(token..<token + 1)) }
        }
    }
}
