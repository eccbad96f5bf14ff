public import Tensors

/// The vectors of the tokens, from a frozen table (vocabulary, features).
public struct Embedding: Sendable {
    public let weight: StoredMatrix
    public init(weight: StoredMatrix) { self.weight = weight }

    /// x[t] = weight[tokens[t]].  Shape: x (tokens, features).
    public func forward(_ tokens: [Int32], into x: MatrixView, on workers: Workers) {
        workers.rows(x.rows) { range, _ in
            for t in range { weight.copyRow(Int(tokens[t]), into: x, row: t) }
        }
    }
}
