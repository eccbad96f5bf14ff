import Layers
public import LoRA
import Tensors

/// The ends of a decoder, embedding and head, which may be trained whole; and the noise that training adds to embeddings.
extension Decoder {
    /// The embedding table: the adapter's own where it is trained and used.
    func embedding(_ slab: ParameterSlab?) -> Embedding {
        guard let slab, let entry = adapter?.whole[.embedding] else { return embedding }
        return Embedding(weight: slab.stored(entry))
    }

    /// The head: the adapter's own where it is trained and used.
    func head(_ slab: ParameterSlab?) -> VocabularyHead {
        guard let slab, let entry = adapter?.whole[.head] else { return head }
        return VocabularyHead(weight: slab.stored(entry), precision: precision)
    }

    /// Adds the gradient of a trained embedding, given d (tokens, hidden), that of its vectors; d is used up.
    func addEmbeddingGradient(_ d: MatrixView, _ batch: PackedBatch, to sums: ExactSums, on workers: Workers) {
        guard let adapter, let entry = adapter.whole[.embedding] else { return }
        embedding(adapter.values).backward(d, batch.tokens, addingTo: sums, entry: entry, on: workers)
    }

    /// Adds to the vectors x (tokens, hidden) of each example noise of U(±α/√(L · hidden)), where L is the example's length.
    /// (Jain et al. 2023, algorithm 1; Transformers takes the padded length of its batch for L.)
    func addNoise(_ dropout: Dropout, _ batch: PackedBatch, to x: MatrixView, on workers: Workers) {
        guard dropout.neftuneAlpha > 0 else { return }
        let random = CounterRandom(seed: dropout.seed, purpose: RandomPurpose.embeddingNoise)
        let step = UInt32(truncatingIfNeeded: dropout.step)
        var scales: [Float] = []
        for segment in batch.segments {
            let scale = dropout.neftuneAlpha / Double(segment.tokens.count * x.columns).squareRoot()
            scales += [Float](repeating: Float(scale), count: segment.tokens.count)
        }
        workers.rows(x.rows) { range, _ in
            for row in range {
                random.addUniform(
                    to: x, row: row, scale: scales[row], step: step, example: batch.exampleKeys[row],
                    position: UInt32(batch.positions[row]))
            }
        }
    }
}

extension Adapter {
    /// Gives the biases and modules that are trained whole the values that they have in a base.
    public func takeValues(of base: BaseModel) {
        for (layer, weights) in base.layers.enumerated() {
            for module in LinearModule.allCases {
                guard let entry = biases[module.path(layer: layer)], let bias = weights.linears[module]?.bias else {
                    continue
                }
                values[entry].copy(from: bias.view)
            }
        }
        for (module, entry) in whole {
            let (table, own) = (module == .embedding ? base.embedding : base.head, values[entry])
            for row in 0..<table.rows { table.copyRow(row, into: own, row: row) }
        }
    }
}
