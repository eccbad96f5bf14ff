import Layers
import LoRA
public import Tensors

/// One kind of matrix product of a training step, alone, to be measured.
public struct StepProduct {
    /// What it computes, such as `q k v` and `x Wᵀ`.
    public let module: String, formula: String
    /// The product is of (rows, inner) and (inner, columns); `columns` are summed over the maps that share an input.
    public let rows: Int, columns: Int, inner: Int
    /// Operations: 2 · rows · columns · inner, and twice that for the head, which has a second product with the same matrix.
    public let operations: Double
    /// Computes it once.
    public let run: () -> Void
}

extension Decoder {
    /// Rows of the head's product: a block that it takes at once.
    private static let headRows = 512

    /// The products of a training step at a micro-batch of so many tokens, by the code of the layers: of the lowest adapted layer
    /// and of the head.
    /// - Parameters:
    ///   - tokens: rows of all linear maps.
    ///   - workers: share each product.
    /// - Returns: the products, in the order of the step; they keep their operands' memory.
    public func stepProducts(tokens: Int, on workers: Workers) -> [StepProduct] {
        let measuring = Arena.measuring()
        for product in products(tokens, measuring, .dry()) { product.run() }
        return products(tokens, Arena(bytes: measuring.peak), workers)
    }

    private func products(_ tokens: Int, _ arena: Arena, _ workers: Workers) -> [StepProduct] {
        guard let adapter, let layer = layers.first(where: \.isAdapted) else { return [] }
        let sums = ExactSums(adapter.values.layout)
        var products: [StepProduct] = []
        for group in [layer.attentionInput, layer.attentionOutput, layer.mlpInput, layer.mlpOutput] {
            let operands = Operands(group, tokens: tokens, precision, arena)
            products += operands.linear(adapter.values, sums, arena, workers)
            products += operands.thin(adapter.values, precision, arena, workers)
        }
        products.append(headProduct(rows: min(tokens, Self.headRows), arena, workers))
        return products
    }

    private func headProduct(rows: Int, _ arena: Arena, _ workers: Workers) -> StepProduct {
        let (h, dh) = (arena.constant(rows, base.config.hidden), arena.matrix(rows, base.config.hidden))
        let losses = arena.matrix(rows, 1)
        let targets = (0..<rows).map { Int32($0 * 7919 % base.config.vocabulary) }
        let operations = 4 * Double(rows) * Double(base.config.vocabulary) * Double(base.config.hidden)
        return StepProduct(
            module: "head", formula: "h Eᵀ, p E", rows: rows, columns: base.config.vocabulary,
            inner: base.config.hidden,
            operations: operations
        ) { [head] in
            head.loss(h, targets: targets, into: losses, dh: dh, factor: 1, arena: arena, on: workers)
        }
    }
}

/// What the products of one group of linear maps read and write.
private struct Operands {
    let group: ProjectionGroup
    /// The group without its adapters.
    let plain: ProjectionGroup
    let module: String
    /// x and dx (tokens, inputs), y and dy (tokens, outputs of each map).
    let x: MatrixView, dx: MatrixView
    let y: [MatrixView], dy: [MatrixView]
    let tokens: Int, outputs: Int

    init(_ group: ProjectionGroup, tokens: Int, _ precision: Precision, _ arena: Arena) {
        self.group = group
        self.tokens = tokens
        plain = ProjectionGroup(
            group.projections.map { Projection(name: $0.name, weight: $0.weight, bias: $0.bias, adapter: nil) },
            precision: precision)
        module = group.projections.map {
            ($0.name.split(separator: ".").last ?? "").replacing("_proj", with: "")
        }.joined(separator: " ")
        x = arena.constant(tokens, group.inputs)
        dx = arena.matrix(tokens, group.inputs)
        y = group.projections.map { arena.matrix(tokens, $0.weight.rows) }
        dy = group.projections.map { arena.constant(tokens, $0.weight.rows) }
        outputs = group.projections.reduce(0) { $0 + $1.weight.rows }
    }

    /// x Wᵀ and dy W of all maps of the group.
    func linear(_ slab: ParameterSlab, _ sums: ExactSums, _ arena: Arena, _ workers: Workers) -> [StepProduct] {
        let saved = plain.makeSaved(tokens: tokens, in: arena)
        return [
            product("x Wᵀ", columns: outputs, inner: group.inputs) {
                plain.forward(
                    RowSource(x), adapter: nil, mask: nil, into: y, saving: saved, arena: arena, on: workers)
            },
            product("dy W", columns: group.inputs, inner: outputs) {
                plain.backward(
                    dy.map(KeptMatrix.floats), x: RowSource(x), adapter: slab, mask: nil, from: saved, addingTo: sums,
                    into: dx, arena: arena, on: workers)
            },
        ]
    }

    /// The products with A and B: x Aᵀ, dy B, dA = dhᵀ x and dBᵀ = hᵀ dy.
    func thin(_ slab: ParameterSlab, _ precision: Precision, _ arena: Arena, _ workers: Workers) -> [StepProduct] {
        let adapted = group.projections.indices.compactMap { index in
            group.projections[index].adapter.map { (index: index, adapter: $0) }
        }
        guard let first = adapted.first?.adapter else { return [] }
        let ranks = adapted.reduce(0) { $0 + $1.adapter.rank }
        let a = slab.stacked(first.a..<first.a + adapted.count)
        let b = adapted.map { slab[$0.adapter.b] }
        let hidden = arena.constant(tokens, ranks)
        let dA = arena.matrix(ranks, group.inputs)
        let own = adapted.indices.map { i in
            let first = adapted[..<i].reduce(0) { $0 + $1.adapter.rank }
            return hidden.columns(first..<first + adapted[i].adapter.rank)
        }
        let dB = adapted.map { arena.matrix($0.adapter.rank, group.projections[$0.index].weight.rows) }
        let adaptedOutputs = adapted.reduce(0) { $0 + group.projections[$1.index].weight.rows }
        let dyOfAdapted = adapted.map { dy[$0.index] }
        let thin = ThinProducts(precision: precision, arena: arena, workers: workers)
        let (leftX, leftDy) = (thin.left(x), dyOfAdapted.map(thin.left))
        return [
            product("x Aᵀ", columns: ranks, inner: group.inputs) {
                thin.multiply([(leftX, .rowsAreColumns(a, scale: 1), hidden)])
            },
            product("dy B", columns: first.rank, inner: adaptedOutputs) {
                thin.multiply(adapted.indices.map { (leftDy[$0], .plain(b[$0], scale: 1), own[$0]) })
            },
            product("dhᵀ x", rows: ranks, columns: group.inputs, inner: tokens) {
                thin.multiply(transposed: hidden, x, into: dA)
            },
            product("hᵀ dy", rows: first.rank, columns: adaptedOutputs, inner: tokens) {
                for i in adapted.indices { thin.multiply(transposed: own[i], dyOfAdapted[i], into: dB[i]) }
            },
        ]
    }

    private func product(
        _ formula: String, rows: Int? = nil, columns: Int, inner: Int, _ run: @escaping () -> Void
    ) -> StepProduct {
        let rows = rows ?? tokens
        return StepProduct(
            module: module, formula: formula, rows: rows, columns: columns, inner: inner,
            operations: 2 * Double(rows) * Double(columns) * Double(inner), run: run)
    }
}
