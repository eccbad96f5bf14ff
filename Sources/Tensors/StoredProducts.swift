/// A low-rank term that rides along with a product: y += scale · hidden · bᵀ.
/// Shapes: hidden (tokens, rank), b (outputs, rank).
@safe public struct LowRankTerm: Sendable {
    public let hidden: MatrixView, b: MatrixView
    public let scale: Float
    public init(hidden: MatrixView, b: MatrixView, scale: Float) {
        self.hidden = hidden
        self.b = b
        self.scale = scale
    }
}

/// One product y = x Wᵀ + bias + low-rank term (+ y) of several that share their input.
public struct ForwardProduct: Sendable {
    public let weight: StoredMatrix
    public let bias: MatrixView?
    public let lowRank: LowRankTerm?
    /// A second term of low rank that is not trained.
    public let frozen: LowRankTerm?
    public let output: MatrixView
    /// Adds to what `output` holds instead of replacing it.
    public let accumulate: Bool

    /// - Parameters:
    ///   - weight: (outputs, inputs), frozen.
    ///   - bias: (1, outputs) or nil.
    ///   - lowRank: the adapter's term, or nil.
    ///   - frozen: a second term that is not trained, or nil.
    ///   - output: (tokens, outputs).
    ///   - accumulate: adds to what `output` holds.
    public init(
        weight: StoredMatrix, bias: MatrixView? = nil, lowRank: LowRankTerm? = nil, frozen: LowRankTerm? = nil,
        output: MatrixView, accumulate: Bool = false
    ) {
        self.weight = weight
        self.bias = bias
        self.lowRank = lowRank
        self.frozen = frozen
        self.output = output
        self.accumulate = accumulate
    }
}

/// y = x Wᵀ + bias + scale · h Bᵀ for every product, in tiles of (tokens, outputs); a tile of W is widened once and used for
/// its tokens.  x is (tokens, inputs).
public func multiply(_ x: MatrixView, _ products: [ForwardProduct], on workers: Workers) {
    struct Tile {
        let product: Int, tokens: Range<Int>, outputs: Range<Int>
    }
    let tokenTiles = Tiles.cut(x.rows, most: Tiles.rows, unit: 16)
    var tiles: [Tile] = []
    for (index, product) in products.enumerated() {
        precondition(product.weight.columns == x.columns && product.output.rows == x.rows)
        precondition(product.output.columns == product.weight.rows)
        for outputs in Tiles.cut(product.weight.rows, most: Tiles.columns, unit: 16) {
            tiles += tokenTiles.map { Tile(product: index, tokens: $0, outputs: outputs) }
        }
    }
    let innerTiles = Tiles.cut(x.columns, most: Tiles.inner, unit: 256)
    workers.run(tiles.count) { task, worker in
        let tile = tiles[task]
        let product = products[tile.product]
        let y = product.output.rows(tile.tokens).columns(tile.outputs)
        var beta: Float = product.accumulate ? 1 : 0
        if let bias = product.bias {
            let biasTile = bias.columns(tile.outputs)
            for row in 0..<y.rows {
                if product.accumulate {
                    addScaled(biasTile.row(0), 1, y.row(row), y.columns)
                } else {
                    y.row(row).update(from: biasTile.row(0), count: y.columns)
                }
            }
            beta = 1
        }
        for inner in innerTiles {
            let panel = weightPanel(product.weight, rows: tile.outputs, columns: inner, workers, worker)
            gemm(x.rows(tile.tokens).columns(inner), panel, transposeB: true, into: y, beta: beta)
            beta = 1
        }
        for case let term? in [product.lowRank, product.frozen] {
            gemm(
                term.hidden.rows(tile.tokens), term.b.rows(tile.outputs), transposeB: true, into: y, alpha: term.scale,
                beta: 1)
        }
    }
}

/// One summand dy W of a gradient with respect to a shared input.
public struct BackwardProduct: Sendable {
    public let dOutput: MatrixView
    public let weight: StoredMatrix

    /// - Parameters:
    ///   - dOutput: (tokens, outputs).
    ///   - weight: (outputs, inputs), frozen.
    public init(dOutput: MatrixView, weight: StoredMatrix) {
        self.dOutput = dOutput
        self.weight = weight
    }
}

/// dx (+)= Σ dyᵢ Wᵢ, then dx += mask(dHidden · a) + dFrozen · aFrozen, in tiles of (tokens, inputs).
/// Shapes: dx (tokens, inputs), dHidden (tokens, ranks), a (ranks, inputs).
/// - Parameters:
///   - products: the summands.
///   - lowRank: the adapters' term, or nil.
///   - frozen: a second such term without dropout, or nil.
///   - mask: the dropout that the input of `a` had, or nil.
///   - dx: replaced, or added to.
///   - accumulate: adds to what `dx` holds.
///   - workers: share the tiles.
public func multiplyBackward(
    _ products: [BackwardProduct], lowRank: (dHidden: MatrixView, a: MatrixView)?,
    frozen: (dHidden: MatrixView, a: MatrixView)? = nil, mask: DropoutMask?, into dx: MatrixView, accumulate: Bool,
    on workers: Workers
) {
    let tokenTiles = Tiles.cut(dx.rows, most: Tiles.rows, unit: 16)
    let inputTiles = Tiles.cut(dx.columns, most: Tiles.columns, unit: 256)
    workers.run(tokenTiles.count * inputTiles.count) { task, worker in
        let tokens = tokenTiles[task % tokenTiles.count]
        let inputs = inputTiles[task / tokenTiles.count]
        let target = dx.rows(tokens).columns(inputs)
        var beta: Float = accumulate ? 1 : 0
        for product in products {
            for inner in Tiles.cut(product.weight.rows, most: Tiles.inner) {
                let panel = weightPanel(product.weight, rows: inner, columns: inputs, workers, worker)
                gemm(product.dOutput.rows(tokens).columns(inner), panel, into: target, beta: beta)
                beta = 1
            }
        }
        if let (dHidden, a) = frozen {
            gemm(dHidden.rows(tokens), a.columns(inputs), into: target, beta: beta)
            beta = 1
        }
        guard let (dHidden, a) = lowRank else { return }
        if let mask {
            let tile = MatrixView(
                base: workers.tile(worker), rows: tokens.count, columns: inputs.count, stride: inputs.count)
            gemm(dHidden.rows(tokens), a.columns(inputs), into: tile)
            if beta == 0 { target.fill(0) }
            for row in 0..<tile.rows {
                mask.add(
                    tile.row(row), token: tokens.lowerBound + row, first: inputs.lowerBound, count: inputs.count,
                    to: target.row(row))
            }
        } else {
            gemm(dHidden.rows(tokens), a.columns(inputs), into: target, beta: beta)
        }
    }
}

/// A window of a weight as Floats: in place where the file holds them so, else widened into the worker's panel.
func weightPanel(
    _ weight: StoredMatrix, rows: Range<Int>, columns: Range<Int>, _ workers: Workers, _ worker: Int
) -> MatrixView {
    if let floats = weight.floats(row: rows.lowerBound, column: columns.lowerBound) {
        return MatrixView(
            base: UnsafeMutablePointer(mutating: floats), rows: rows.count, columns: columns.count,
            stride: weight.columns)
    }
    precondition(rows.count * columns.count <= Workers.panelFloats)
    let panel = workers.panel(worker)
    weight.widen(rows: rows, columns: columns, into: panel, stride: columns.count)
    return MatrixView(base: panel, rows: rows.count, columns: columns.count, stride: columns.count)
}

/// Calls `body` for blocks of a weight's rows, each widened once: the range of rows, the block as Floats (rows, columns), and a
/// tile of scratch memory with `Tiles.rows` rows and as many columns as the block has rows.
public func forEachPanel(
    of weight: StoredMatrix, rows: Range<Int>, on workers: Workers, worker: Int,
    _ body: (_ rows: Range<Int>, _ panel: MatrixView, _ tile: MatrixView) -> Void
) {
    let most = min(Tiles.columns, Workers.panelFloats / weight.columns)
    precondition(most > 0, "rows of \(weight.columns) elements are too long for a panel")
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: most) {
        let range = first..<min(rows.upperBound, first + most)
        let panel = weightPanel(weight, rows: range, columns: 0..<weight.columns, workers, worker)
        let tile = MatrixView(base: workers.tile(worker), rows: Tiles.rows, columns: range.count, stride: range.count)
        body(range, panel, tile)
    }
}
