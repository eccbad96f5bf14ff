import Tensors

/// Products with a thin operand in the precision of a model, as the layers ask for them.
struct ThinProducts {
    let precision: Precision
    let arena: Arena
    let workers: Workers

    /// A left operand that other products of the layers share: in bf16, packed once.
    enum Left {
        case plain(MatrixView)
        case packed(PackedRows)
    }
    typealias Product = (left: Left, right: RightOperand, output: MatrixView)

    /// Prepares a left operand. It stays in the arena.
    func left(_ x: MatrixView) -> Left { precision == .bf16 ? .packed(arena.packed(x, on: workers)) : .plain(x) }

    /// output = left · right for each.
    func multiply(_ products: [Product]) {
        var packed: [PackedProduct] = []
        for (left, right, output) in products {
            switch (left, right) {
            case (.packed(let rows), _):
                packed.append(PackedProduct([PackedTerm(left: rows, right: right)], into: output))
            case (.plain(let x), .rowsAreColumns(let matrix, let scale)):
                gemm(x, matrix, transposeB: true, into: output, alpha: scale, on: workers)
            case (.plain(let x), .plain(let matrix, let scale)):
                gemm(x, matrix, into: output, alpha: scale, on: workers)
            case (.plain, _): preconditionFailure("frozen weights are no thin operands")
            }
        }
        if !packed.isEmpty { Tensors.multiply(packed, on: workers) }
    }

    /// output = leftᵀ · right.
    func multiply(transposed left: MatrixView, _ right: MatrixView, into output: MatrixView) {
        guard precision == .bf16 else { return gemm(left, transposeA: true, right, into: output, on: workers) }
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let term = PackedTerm(left: arena.packedTransposed(left, on: workers), right: .plain(right, scale: 1))
        Tensors.multiply([PackedProduct([term], into: output)], on: workers)
    }
}

extension Arena {
    /// A matrix whose elements are all the same, small and not zero.
    func constant(_ rows: Int, _ columns: Int) -> MatrixView {
        let matrix = matrix(rows, columns)
        if !isMeasuring { matrix.fill(0.01) }
        return matrix
    }
}
