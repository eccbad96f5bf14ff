import CKernels

/// How bf16 products are cut. Columns and inner lengths are cut by shape alone. How rows are cut leaves no trace in the result,
/// so it follows the number of workers.
enum PackedTiles {
    /// The most rows of the result in one tile, whose right panel is packed once for all of them.
    static let rows = 2048
    /// Tiles for each worker below which rows are cut further, and the fewest rows that they are cut to.
    static let perWorker = 2, fewestRows = 128

    /// Rows of a tile where there are so many column tiles.
    static func rows(columnTiles: Int, workers: Int) -> Int {
        min(rows, max(fewestRows, rows * columnTiles / (perWorker * workers)))
    }

    /// Columns of the result in one tile: two blocks of the kernel; where a format's blocks of 256 elements must stay whole, one.
    static let columns = 96, wideColumns = 256
    /// The longest inner length that is multiplied at once; longer ones are added piece by piece.
    static let inner = 1024
    /// Words of room for panels.
    static let panelWords = 160 * 1024
}

/// One summand left · right of a bf16 product.
public struct PackedTerm: Sendable {
    public let left: PackedRows
    public let right: RightOperand

    /// - Parameters:
    ///   - left: (rows, inner).
    ///   - right: gives (inner, columns).
    public init(left: PackedRows, right: RightOperand) {
        precondition(left.columns == right.inner)
        self.left = left
        self.right = right
    }
}

/// One matrix that is the sum of bf16 products: output (+)= bias + Σ left · right + mask(masked).
public struct PackedProduct: Sendable {
    public let terms: [PackedTerm]
    public let output: MatrixView
    public let bias: MatrixView?
    public let masked: (term: PackedTerm, mask: DropoutMask)?
    /// Adds to what `output` holds instead of replacing it.
    public let accumulate: Bool

    /// - Parameters:
    ///   - terms: each of (rows, columns).
    ///   - bias: (1, columns) or nil.
    ///   - masked: a product to which dropout's mask is applied before it is added.
    ///   - output: (rows, columns).
    ///   - accumulate: adds to what `output` holds.
    public init(
        _ terms: [PackedTerm], bias: MatrixView? = nil, masked: (term: PackedTerm, mask: DropoutMask)? = nil,
        into output: MatrixView, accumulate: Bool = false
    ) {
        precondition(
            (terms + (masked.map { [$0.term] } ?? [])).allSatisfy {
                $0.left.rows == output.rows && $0.right.columns == output.columns
            })
        self.terms = terms
        self.output = output
        self.bias = bias
        self.masked = masked
        self.accumulate = accumulate
    }

    fileprivate var columnTiles: [Range<Int>] {
        let unit = (terms + (masked.map { [$0.term] } ?? [])).map(\.right.columnUnit).max() ?? 1
        let isWide = unit > 32
        return Tiles.cut(
            output.columns, most: isWide ? PackedTiles.wideColumns : PackedTiles.columns, unit: isWide ? 256 : 96)
    }

}

/// Computes products of bf16 numbers, cut into tiles of the results that the workers share. Sums are in Float; the order in
/// which an element is summed depends on the inner lengths alone.
public func multiply(_ products: [PackedProduct], on workers: Workers) {
    struct Tile {
        let product: Int, rows: Range<Int>, columns: Range<Int>
    }
    let columnTiles = products.map(\.columnTiles)
    let most = PackedTiles.rows(columnTiles: columnTiles.reduce(0) { $0 + $1.count }, workers: workers.count)
    let tiles = products.indices.flatMap { index in
        columnTiles[index].flatMap { columns in
            Tiles.cut(products[index].output.rows, most: most, unit: 16).map {
                Tile(product: index, rows: $0, columns: columns)
            }
        }
    }
    workers.run(tiles.count) { task, worker in
        let tile = tiles[task]
        products[tile.product].compute(tile.rows, tile.columns, workers, worker)
    }
}

extension PackedProduct {
    /// A piece of a term that is multiplied at once.
    private struct Piece {
        let term: PackedTerm, inner: Range<Int>
    }

    fileprivate func compute(_ rows: Range<Int>, _ columns: Range<Int>, _ workers: Workers, _ worker: Int) {
        let target = output.rows(rows).columns(columns)
        var adds = accumulate
        if let bias {
            let biasTile = bias.columns(columns)
            for row in 0..<target.rows {
                if adds {
                    addScaled(biasTile.row(0), 1, target.row(row), target.columns)
                } else {
                    target.row(row).update(from: biasTile.row(0), count: target.columns)
                }
            }
            adds = true
        }
        add(terms, rows, columns, to: target, accumulate: adds, workers, worker)
        guard let masked else { return }
        if terms.isEmpty, !adds { target.fill(0) }
        for part in stride(from: 0, to: rows.count, by: Tiles.rows) {
            let range = rows.lowerBound + part..<min(rows.upperBound, rows.lowerBound + part + Tiles.rows)
            let tile = MatrixView(
                base: workers.tile(worker), rows: range.count, columns: columns.count, stride: columns.count)
            add([masked.term], range, columns, to: tile, accumulate: false, workers, worker)
            for row in 0..<tile.rows {
                masked.mask.add(
                    tile.row(row), token: range.lowerBound + row, first: columns.lowerBound, count: columns.count,
                    to: target.row(part + row))
            }
        }
    }

    private func add(
        _ terms: [PackedTerm], _ rows: Range<Int>, _ columns: Range<Int>, to target: MatrixView, accumulate: Bool,
        _ workers: Workers, _ worker: Int
    ) {
        let pieces = terms.flatMap { term in
            Tiles.cut(term.left.columns, most: PackedTiles.inner, unit: 256).map { Piece(term: term, inner: $0) }
        }
        var adds = accumulate
        var index = 0
        while index < pieces.count {
            // As many pieces as there is room for, so that the result is read and written less often.
            var room = PanelBuffer(workers, worker)
            var kernelTerms: [ck_bf16_term] = []
            while index < pieces.count {
                let piece = pieces[index]
                let words = room.wordCount(columns: columns.count, inner: piece.inner.count)
                if words > room.capacity { break }
                room.pack(piece.term.right, columns: columns, inner: piece.inner)
                kernelTerms.append(
                    piece.term.left.term(
                        fromRow: rows.lowerBound, column: piece.inner.lowerBound, count: piece.inner.count,
                        right: PackedColumns(
                            words: room.words, inner: piece.inner.count, columns: columns.count)))
                room = room.behind(words)
                index += 1
            }
            ck_bf16_gemm(
                bf16Instructions, kernelTerms, kernelTerms.count, target.rows, target.columns, target.base,
                target.stride, adds ? 1 : 0)
            adds = true
        }
    }
}

extension PanelBuffer {
    /// The whole room of a worker.
    init(_ workers: Workers, _ worker: Int) {
        let panel = workers.panel(worker)
        floats = panel
        words = UnsafeMutableRawPointer(panel + Self.widenedFloats).assumingMemoryBound(to: UInt32.self)
        capacity = PackedTiles.panelWords
    }

    /// The room behind a packed panel.
    func behind(_ words: Int) -> PanelBuffer {
        let rounded = (words + 15) & ~15
        return PanelBuffer(words: self.words + rounded, capacity: capacity - rounded, floats: floats)
    }
}
