import Tensors

/// The same products from inputs rounded to bf16. Each input is packed once for all products that it takes part in, and the
/// low-rank terms are more of the inner dimension of the products that they are added to.
extension ProjectionGroup {
    func forwardPacked(
        _ x: RowSource, _ slab: ParameterSlab?, _ mask: DropoutMask?, _ outputs: [MatrixView], _ accumulate: Bool,
        _ saved: Saved, _ arena: Arena, _ workers: Workers
    ) {
        let input = arena.packed(x, on: workers)
        var terms = projections.map { [PackedTerm(left: input, right: .weightRowsAreColumns($0.weight))] }
        if let slab, let aEntries, let hidden = saved.hidden {
            let kept = mask == nil ? input : arena.packed(x.dropped(mask), on: workers)
            let right = RightOperand.rowsAreColumns(slab.stacked(aEntries), scale: 1)
            multiply([PackedProduct([PackedTerm(left: kept, right: right)], into: hidden)], on: workers)
            for (index, adapter, columns) in adapted {
                let own = arena.packed(hidden.columns(columns), on: workers)
                terms[index].append(
                    PackedTerm(left: own, right: .rowsAreColumns(slab[adapter.b], scale: adapter.scale)))
            }
        }
        let products = projections.indices.map {
            PackedProduct(terms[$0], bias: bias($0, slab), into: outputs[$0], accumulate: accumulate)
        }
        multiply(products, on: workers)
    }

    func backwardPacked(
        _ dOutputs: [KeptMatrix], _ x: RowSource, _ slab: ParameterSlab, _ mask: DropoutMask?, _ saved: Saved,
        _ sums: ExactSums, _ dx: MatrixView?, _ arena: Arena, _ workers: Workers
    ) {
        let isNeeded = projections.indices.map { dx != nil || projections[$0].adapter != nil }
        let dInputs = zip(dOutputs, isNeeded).map { $1 ? arena.packed(RowSource($0), on: workers) : nil }
        var lowRank: PackedTerm?
        if let aEntries, let hidden = saved.hidden {
            let dHidden = arena.matrix(hidden.rows, ranks)
            let products = adapted.map { index, adapter, columns in
                PackedProduct(
                    [PackedTerm(left: dInputs[index]!, right: .plain(slab[adapter.b], scale: adapter.scale))],
                    into: dHidden.columns(columns))
            }
            multiply(products, on: workers)
            addGradients(dOutputs, x.dropped(mask), hidden, dHidden, sums, arena, workers)
            if dx != nil {
                lowRank = PackedTerm(
                    left: arena.packed(dHidden, on: workers), right: .plain(slab.stacked(aEntries), scale: 1))
            }
        }
        guard let dx else { return }
        var terms = projections.indices.map { PackedTerm(left: dInputs[$0]!, right: .weight(projections[$0].weight)) }
        if let lowRank, mask == nil { terms.append(lowRank) }
        let masked = lowRank.flatMap { term in mask.map { (term, $0) } }
        multiply([PackedProduct(terms, masked: masked, into: dx)], on: workers)
    }

    /// Adds dA = dHiddenᵀ x and dB = scale · dyᵀ hidden of every adapted projection.
    private func addGradients(
        _ dOutputs: [KeptMatrix], _ x: RowSource, _ hidden: MatrixView, _ dHidden: MatrixView, _ sums: ExactSums,
        _ arena: Arena, _ workers: Workers
    ) {
        let dA = arena.matrix(ranks, inputs)
        let left = arena.packedTransposed(dHidden, on: workers)
        var products = [PackedProduct([PackedTerm(left: left, right: arena.right(x, on: workers))], into: dA)]
        var dBs: [(adapter: Projection.Adapter, turned: MatrixView)] = []
        for (index, adapter, columns) in adapted {
            let left = arena.packedTransposed(hidden.columns(columns), scale: adapter.scale, on: workers)
            let turned = arena.matrix(adapter.rank, dOutputs[index].columns)
            let right = arena.right(RowSource(dOutputs[index]), on: workers)
            products.append(PackedProduct([PackedTerm(left: left, right: right)], into: turned))
            dBs.append((adapter, turned))
        }
        multiply(products, on: workers)
        sums.add(dA, to: aEntries!, on: workers)
        for (adapter, turned) in dBs {
            let dB = arena.matrix(turned.columns, turned.rows)
            workers.rows(dB.rows, grain: 256) { range, _ in dB.rows(range).copy(fromTransposed: turned.columns(range)) }
            sums.add(dB, to: adapter.b..<adapter.b + 1, on: workers)
        }
    }
}
