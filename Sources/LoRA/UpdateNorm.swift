extension PEFTFolder {
    /// ‖ΔW‖ of one module.
    public struct UpdateNorm: Sendable {
        public let module: String
        /// ‖scale · B A‖_F.
        public let norm: Double
    }

    /// How far the adapter moves each module's weight: ‖ΔW‖_F with ΔW = scale · B A, from ‖B A‖_F² = Σ (BᵀB) ∘ (A Aᵀ), which
    /// needs no matrix of W's size. Of PiSSA, ΔW = scale · (B A − B₀ A₀); of DoRA, it is what the magnitudes are applied to.
    /// - Throws: never for a folder that is in order.
    public func updateNorms() throws -> [UpdateNorm] {
        let folder = try plain()
        return modules.map { module in
            let a = folder[Self.nameOfA(module)]!
            let b = folder[Self.nameOfB(module)]!
            let squares = zip(Self.gram(b, transposed: true), Self.gram(a, transposed: false)).reduce(0) {
                $0 + $1.0 * $1.1
            }
            return UpdateNorm(
                module: module, norm: abs(config.scaling(of: module)) * (squares < 0 ? 0 : squares).squareRoot())
        }
    }

    /// M Mᵀ, or Mᵀ M, in Double; row after row.
    private static func gram(_ tensor: NamedTensor, transposed: Bool) -> [Double] {
        let (rank, length) = transposed ? (tensor.columns, tensor.rows) : (tensor.rows, tensor.columns)
        func element(_ i: Int, _ t: Int) -> Double {
            Double(transposed ? tensor.floats[t * rank + i] : tensor.floats[i * length + t])
        }
        var out = [Double](repeating: 0, count: rank * rank)
        for i in 0..<rank {
            for j in 0...i {
                var sum = 0.0
                for t in 0..<length { sum += element(i, t) * element(j, t) }
                out[i * rank + j] = sum
                out[j * rank + i] = sum
            }
        }
        return out
    }
}
