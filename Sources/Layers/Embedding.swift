public import Tensors

/// The vectors of the tokens, from a table (vocabulary, features).
public struct Embedding: Sendable {
    public let weight: StoredMatrix
    public init(weight: StoredMatrix) { self.weight = weight }

    /// x[t] = weight[tokens[t]].  Shape: x (tokens, features).
    public func forward(_ tokens: [Int32], into x: MatrixView, on workers: Workers) {
        workers.rows(x.rows) { range, _ in
            for t in range { weight.copyRow(Int(tokens[t]), into: x, row: t) }
        }
    }

    /// Adds the gradient of the table: to the row of each token that occurs, Σ d[t] over the places where it stands, in their
    /// order.
    /// - Parameters:
    ///   - d: (tokens, features), the gradient of the vectors; the first place of each token receives the sum.
    ///   - tokens: of the forward pass.
    ///   - sums: receive the gradient.
    ///   - entry: of the table in the layout of `sums`.
    ///   - workers: share the tokens that occur.
    public func backward(
        _ d: MatrixView, _ tokens: [Int32], addingTo sums: ExactSums, entry: Int, on workers: Workers
    ) {
        precondition(d.rows == tokens.count)
        let order = tokens.indices.sorted { (tokens[$0], $0) < (tokens[$1], $1) }
        let starts = order.indices.filter { $0 == 0 || tokens[order[$0 - 1]] != tokens[order[$0]] }
        workers.rows(starts.count) { range, _ in
            for index in range {
                let end = index + 1 < starts.count ? starts[index + 1] : order.count
                let places = order[starts[index]..<end]
                for place in places.dropFirst() { d.add(row: places.first!, d, row: place) }
            }
        }
        sums.add(
            d, rows: starts.map { (source: order[$0], target: Int(tokens[order[$0]])) }, to: entry, on: workers)
    }
}
