public import Tensors

extension Projection {
    /// DoRA: what each output is multiplied by is a trained magnitude over the norm of its row of W + scale · B A. (Liu et al. 2024,
    /// eq. 5) The norms are a function of W, A and B, computed by `ProjectionGroup.prepare` for all passes until A or B change.
    public struct Magnitude: Sendable {
        /// The entry of the adapter's slab with the magnitudes, (1, outputs).
        public let entry: Int
        /// Where the norms stand, (1, outputs).
        let norms: ParameterSlab
        let index: Int

        /// - Parameters:
        ///   - entry: of the magnitudes in the adapter's slab.
        ///   - norms: holds the norms of rows.
        ///   - index: the entry of `norms` that is this projection's.
        public init(entry: Int, norms: ParameterSlab, index: Int) {
            self.entry = entry
            self.norms = norms
            self.index = index
        }
    }
}

extension ProjectionGroup {
    /// Computes the norms that DoRA divides by, where it is used.
    /// - Parameters:
    ///   - slab: A and B.
    ///   - workers: share the work.
    public func prepare(_ slab: ParameterSlab, on workers: Workers) {
        for projection in projections {
            guard let adapter = projection.adapter, let magnitude = adapter.magnitude else { continue }
            var updates = [LowRankUpdate(a: slab[adapter.a], b: slab[adapter.b], scale: adapter.scale)]
            if let initial = adapter.initial {
                updates.append(LowRankUpdate(a: initial[adapter.a], b: initial[adapter.b], scale: -adapter.scale))
            }
            rowNorms(of: projection.weight, adding: updates, into: magnitude.norms[magnitude.index], on: workers)
        }
    }

    /// Where a projection's product goes.
    struct Target {
        let output: MatrixView
        let bias: MatrixView?
        let accumulate: Bool
        /// It is a matrix of its own, from which the output is made afterwards.
        let isScaled: Bool
    }

    /// Where the products go: to the outputs, or to matrices of their own where DoRA scales them.
    func targets(
        _ outputs: [MatrixView], _ accumulate: Bool, _ slab: ParameterSlab?, _ saved: Saved, _ arena: Arena
    ) -> [Target] {
        projections.indices.map { i in
            if slab != nil, let kept = saved.products[i] {
                return Target(output: kept.target(in: arena), bias: nil, accumulate: false, isScaled: true)
            }
            return Target(
                output: outputs[i], bias: bias(i, slab), accumulate: accumulate, isScaled: false)
        }
    }

    /// output (+)= magnitude / norm ∘ product + bias where DoRA is used.
    func finish(
        _ targets: [Target], _ outputs: [MatrixView], _ accumulate: Bool, _ slab: ParameterSlab?, _ saved: Saved,
        _ arena: Arena, _ workers: Workers
    ) {
        guard let slab else { return }
        for i in projections.indices where targets[i].isScaled {
            applyGains(
                targets[i].output, keeping: saved.products[i]!,
                gains: gains(of: projections[i].adapter!.magnitude!, slab, arena), bias: bias(i, slab),
                into: outputs[i], accumulate: accumulate, on: workers)
        }
    }

    /// Adds the gradients of the magnitudes to `sums`.
    /// - Returns: the gradients of the products: of the outputs, multiplied as these were.
    func scaledGradients(
        _ dOutputs: [KeptMatrix], _ slab: ParameterSlab, _ saved: Saved, _ sums: ExactSums, _ arena: Arena,
        _ workers: Workers
    ) -> [KeptMatrix] {
        projections.indices.map { i in
            guard let product = saved.products[i], let magnitude = projections[i].adapter?.magnitude else {
                return dOutputs[i]
            }
            let dProduct = arena.kept(product.rows, product.columns, as: precision)
            let dMagnitudes = arena.matrix(1, product.columns)
            gainsBackward(
                dOutputs[i], kept: product, gains: gains(of: magnitude, slab, arena),
                norms: magnitude.norms[magnitude.index], into: dProduct, dMagnitudes: dMagnitudes, on: workers)
            sums.add(dMagnitudes, to: magnitude.entry..<magnitude.entry + 1, on: workers)
            return dProduct
        }
    }

    private func gains(
        of magnitude: Projection.Magnitude, _ slab: ParameterSlab, _ arena: Arena
    ) -> MatrixView {
        let norms = magnitude.norms[magnitude.index]
        let gains = arena.matrix(1, norms.columns)
        if !arena.isMeasuring { Tensors.gains(slab[magnitude.entry], over: norms, into: gains) }
        return gains
    }
}
