import Tensors

extension Decoder {
    /// What the forward pass keeps of each layer for the backward pass, which computes the rest again: the same bits for less
    /// memory and more work.
    public enum Checkpointing: String, Sendable, CaseIterable {
        /// Whatever the backward pass reads.
        case none
        /// The layer's input, the output of attention, gate and up; queries, keys, values and what the MLP adds to are computed again.
        /// (Korthikanti et al. 2022 choose likewise by memory for work; here scores are never kept, and a sixth to a quarter of the
        /// layer's products buys a third of its memory.)
        case selective
        /// The layer's input. (Chen et al. 2016)
        case block
    }

    /// The same decoder that keeps something else.
    public func keeping(_ checkpointing: Checkpointing) -> Decoder {
        var other = self
        other.checkpointing = checkpointing
        return other
    }
}

/// What a forward pass has kept.
struct KeptLayers {
    enum Layer {
        case all(DecoderLayer.Saved)
        case core(DecoderLayer.Core)
        case input(MatrixView)
    }

    var layers: [Layer] = []

    /// Where the forward pass of a layer writes: what is kept, with room for the rest.
    func room(_ index: Int, _ layer: DecoderLayer, _ arena: Arena) -> DecoderLayer.Saved {
        switch layers[index] {
        case .all(let saved): saved
        case .core(let core): layer.makeSaved(core, arena)
        case .input(let x): layer.makeSaved(x, arena)
        }
    }

    /// What the backward pass of a layer reads; what is not kept is computed again into the pass's arena.
    func saved(_ index: Int, _ layer: DecoderLayer, _ pass: PassContext) -> DecoderLayer.Saved {
        let saved = room(index, layer, pass.arena)
        switch layers[index] {
        case .all: break
        case .core: layer.forwardAgain(saved, pass)
        case .input(let x):
            let mark = pass.arena.mark
            layer.forward(saved, into: pass.arena.matrix(x.rows, x.columns), pass)
            pass.arena.release(to: mark)
        }
        return saved
    }
}
