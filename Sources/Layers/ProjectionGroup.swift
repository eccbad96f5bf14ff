public import Tensors

/// One linear map y = x Wᵀ + bias + scale · (dropout(x) Aᵀ) Bᵀ with W frozen and, if adapted, A and B trained.
/// (Hu et al. 2021, eq. 3)   Shapes: W (outputs, inputs), A (rank, inputs), B (outputs, rank). DoRA multiplies all but the bias by
/// a trained factor of each output; PiSSA takes the product that A and B begin with off the weight.
public struct Projection: Sendable {
    /// Where A and B stand in the adapter's slab.
    public struct Adapter: Sendable {
        public let a: Int, b: Int, rank: Int
        public let scale: Float
        /// DoRA's, or nil.
        public let magnitude: Magnitude?
        /// PiSSA's A₀ and B₀, in the places of A and B, whose product is taken off the weight; or nil.
        public let initial: ParameterSlab?
        public init(
            a: Int, b: Int, rank: Int, scale: Float, magnitude: Magnitude? = nil, initial: ParameterSlab? = nil
        ) {
            self.a = a
            self.b = b
            self.rank = rank
            self.scale = scale
            self.magnitude = magnitude
            self.initial = initial
        }
    }

    public let name: String
    public let weight: StoredMatrix
    public let bias: ConstantMatrix?
    public let adapter: Adapter?
    /// The slab entry of a bias (1, outputs) that is trained in the place of `bias`.
    public let trainedBias: Int?

    public init(
        name: String, weight: StoredMatrix, bias: ConstantMatrix?, adapter: Adapter?, trainedBias: Int? = nil
    ) {
        self.name = name
        self.weight = weight
        self.bias = bias
        self.adapter = adapter
        self.trainedBias = trainedBias
    }
}

/// Projections of one input (q, k, v; gate, up; or one alone): their A matrices stand one below the other in the slab, so that
/// x Aᵀ, its gradient and that of A are one product each, and they share one dropout mask.
public struct ProjectionGroup: Sendable {
    public let projections: [Projection]
    let precision: Precision
    /// The slab entries of all A matrices, which follow each other; nil if nothing is adapted.
    let aEntries: Range<Int>?
    let ranks: Int

    /// - Parameters:
    ///   - projections: at least one; those that are adapted stand one behind the other in the slab.
    ///   - precision: what the inputs of products are rounded to.
    public init(_ projections: [Projection], precision: Precision = .fp32) {
        self.projections = projections
        self.precision = precision
        let adapters = projections.compactMap(\.adapter)
        aEntries = adapters.first.map { $0.a..<$0.a + adapters.count }
        precondition(zip(adapters, adapters.indices).allSatisfy { $0.a == adapters[0].a + $1 })
        ranks = adapters.reduce(0) { $0 + $1.rank }
    }

    /// Is anything of the projections trained?
    public var isAdapted: Bool { aEntries != nil || projections.contains { $0.trainedBias != nil } }
    public var inputs: Int { projections[0].weight.columns }

    /// What the backward pass needs: hidden = dropout(x) Aᵀ, (tokens, sum of ranks).
    public struct Saved: Sendable {
        public let hidden: MatrixView?
        /// What DoRA scales, (tokens, outputs of the projection); nil where it does not.
        let products: [KeptMatrix?]
    }

    /// A₀ and B₀ of the adapters; nil if nothing is taken off the weights.
    var initial: ParameterSlab? { projections.lazy.compactMap(\.adapter).first?.initial }

    /// Adapted projections with the columns of `hidden` that are theirs.
    var adapted: [(index: Int, adapter: Projection.Adapter, columns: Range<Int>)] {
        var out: [(index: Int, adapter: Projection.Adapter, columns: Range<Int>)] = []
        var column = 0
        for (index, projection) in projections.enumerated() {
            guard let adapter = projection.adapter else { continue }
            out.append((index, adapter, column..<column + adapter.rank))
            column += adapter.rank
        }
        return out
    }

    /// Cuts what `forward` saves from the arena.
    public func makeSaved(tokens: Int, in arena: Arena) -> Saved {
        Saved(
            hidden: aEntries != nil ? arena.matrix(tokens, ranks) : nil,
            products: projections.map { projection in
                projection.adapter?.magnitude.map { _ in arena.kept(tokens, projection.weight.rows, as: precision) }
            })
    }

    /// outputs[i] = projection i of x, or += where `accumulate`.
    /// - Parameters:
    ///   - x: (tokens, inputs), made where it is read.
    ///   - slab: A, B and trained biases; nil computes the base alone.
    ///   - mask: dropout on the input of A.
    ///   - outputs: (tokens, outputs of projection i) each.
    ///   - accumulate: adds to what `outputs` hold.
    ///   - saved: receives what the backward pass needs.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share tiles of the products.
    public func forward(
        _ x: RowSource, adapter slab: ParameterSlab?, mask: DropoutMask?, into outputs: [MatrixView],
        accumulate: Bool = false, saving saved: Saved, arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let targets = targets(outputs, accumulate, slab, saved, arena)
        defer { finish(targets, outputs, accumulate, slab, saved, arena, workers) }
        if precision == .bf16 {
            forwardPacked(x, slab, mask, targets, saved, arena, workers)
            return
        }
        let input = arena.matrix(x, on: workers)
        var terms = [LowRankTerm?](repeating: nil, count: projections.count)
        var frozen = terms
        if let slab, let aEntries, let hidden = saved.hidden {
            let kept = arena.matrix(RowSource(input).dropped(mask), on: workers)
            gemm(kept, slab.stacked(aEntries), transposeB: true, into: hidden, on: workers)
            for (index, adapter, columns) in adapted {
                terms[index] = LowRankTerm(
                    hidden: hidden.columns(columns), b: slab[adapter.b], scale: adapter.scale)
            }
            if let initial {
                let taken = arena.matrix(x.rows, ranks)
                gemm(input, initial.stacked(aEntries), transposeB: true, into: taken, on: workers)
                for (index, adapter, columns) in adapted {
                    frozen[index] = LowRankTerm(
                        hidden: taken.columns(columns), b: initial[adapter.b], scale: -adapter.scale)
                }
            }
        }
        let products = projections.indices.map { i in
            ForwardProduct(
                weight: projections[i].weight, bias: targets[i].bias, lowRank: terms[i], frozen: frozen[i],
                output: targets[i].output, accumulate: targets[i].accumulate)
        }
        multiply(input, products, on: workers)
    }

    /// Adds the gradients of A, B and trained biases to `sums`, and replaces dx by the gradient of x if it is asked for.
    /// - Parameters:
    ///   - dOutputs: (tokens, outputs of projection i) each.
    ///   - x: the input of the forward pass; it is read only where something is adapted.
    ///   - slab: A and B.
    ///   - mask: the dropout of the forward pass.
    ///   - saved: what the forward pass kept.
    ///   - sums: receive the gradients, in the slab's layout.
    ///   - dx: (tokens, inputs), or nil where nothing below is trained.
    ///   - arena: for what is needed on the way only.
    ///   - workers: share tiles of the products.
    public func backward(
        _ dOutputs: [KeptMatrix], x: RowSource, adapter slab: ParameterSlab, mask: DropoutMask?, from saved: Saved,
        addingTo sums: ExactSums, into dx: MatrixView?, arena: Arena, on workers: Workers
    ) {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        addBiasGradients(dOutputs, addingTo: sums, arena: arena, on: workers)
        let dProducts = scaledGradients(dOutputs, slab, saved, sums, arena, workers)
        if precision == .bf16 {
            backwardPacked(dProducts, x, slab, mask, saved, sums, dx, arena, workers)
            return
        }
        let dOutputs = dProducts.map { arena.matrix(RowSource($0), on: workers) }
        var lowRank: (dHidden: MatrixView, a: MatrixView)?
        var frozen = lowRank
        if let aEntries, let hidden = saved.hidden {
            let dHidden = arena.matrix(hidden.rows, ranks)
            for (index, adapter, columns) in adapted {
                let dy = dOutputs[index]
                let dB = arena.matrix(dy.columns, adapter.rank)
                gemm(dy, slab[adapter.b], into: dHidden.columns(columns), alpha: adapter.scale, on: workers)
                gemm(dy, transposeA: true, hidden.columns(columns), into: dB, alpha: adapter.scale, on: workers)
                sums.add(dB, to: adapter.b..<adapter.b + 1, on: workers)
            }
            let dA = arena.matrix(ranks, inputs)
            gemm(dHidden, transposeA: true, arena.matrix(x.dropped(mask), on: workers), into: dA, on: workers)
            sums.add(dA, to: aEntries, on: workers)
            lowRank = (dHidden, slab.stacked(aEntries))
            if dx != nil, let initial {
                let dTaken = arena.matrix(hidden.rows, ranks)
                for (index, adapter, columns) in adapted {
                    gemm(
                        dOutputs[index], initial[adapter.b], into: dTaken.columns(columns), alpha: -adapter.scale,
                        on: workers)
                }
                frozen = (dTaken, initial.stacked(aEntries))
            }
        }
        guard let dx else { return }
        let products = projections.indices.map {
            BackwardProduct(dOutput: dOutputs[$0], weight: projections[$0].weight)
        }
        multiplyBackward(
            products, lowRank: lowRank, frozen: frozen, mask: mask, into: dx, accumulate: false, on: workers)
    }
}
