import Layers
import Tensors

/// What the layers of one pass share.
struct PassContext {
    let batch: PackedBatch
    /// The values of A and B, or nil for the base alone.
    let adapter: ParameterSlab?
    let dropout: Dropout?
    let arena: Arena
    let workers: Workers
    /// Called with the name and value of each layer's output, to look at them.
    let probe: ((String, MatrixView) -> Void)?

    struct Dropout {
        let probability: Double
        let seed: UInt64
        let step: Int
        let keys: DropoutMask.TokenKeys
    }

    /// The mask of a layer's input group, in the order of `LinearModule.groups`.
    func mask(layer: Int, group: Int) -> DropoutMask? {
        guard adapter != nil, let dropout, dropout.probability > 0 else { return nil }
        return DropoutMask(
            probability: dropout.probability, seed: dropout.seed, purpose: dropoutPurpose(layer, group),
            step: dropout.step, tokens: dropout.keys)
    }
}

/// One layer: x + attention(norm(x)), then that + MLP(norm(that)).
struct DecoderLayer: Sendable {
    let index: Int
    let inputNorm: RMSNorm, postAttentionNorm: RMSNorm
    let attentionInput: ProjectionGroup, attentionOutput: ProjectionGroup
    let mlpInput: ProjectionGroup, mlpOutput: ProjectionGroup
    let rotary: RotaryEmbedding
    let attention: Attention
    /// What activations are kept as.
    let precision: Precision

    /// What backward reads. Norms' and the activation's outputs are computed again from these.
    struct Saved {
        let core: Core
        let middle: MatrixView, inverseRMS1: MatrixView
        let q: KeptMatrix, k: KeptMatrix, v: KeptMatrix
        let attentionInput: ProjectionGroup.Saved

        var x: MatrixView { core.x }
        var inverseRMS2: MatrixView { core.inverseRMS2 }
        var o: KeptMatrix { core.o }
        var logSum: MatrixView { core.logSum }
        var mlp: (gate: KeptMatrix, up: KeptMatrix) { core.mlp }
        var attentionOutput: ProjectionGroup.Saved { core.attentionOutput }
        var mlpInput: ProjectionGroup.Saved { core.mlpInput }
        var mlpOutput: ProjectionGroup.Saved { core.mlpOutput }
    }

    /// What attention reads and writes: q and o (tokens, heads · size), k and v (tokens, keyHeads · size), logSum (tokens, heads).
    struct Heads {
        let q: MatrixView, k: MatrixView, v: MatrixView, o: MatrixView, logSum: MatrixView
    }

    /// The part of it from which `forwardAgain` computes the rest by the small products of attention's maps alone.
    struct Core {
        let x: MatrixView, inverseRMS2: MatrixView
        let o: KeptMatrix, logSum: MatrixView
        let mlp: (gate: KeptMatrix, up: KeptMatrix)
        let attentionOutput: ProjectionGroup.Saved
        let mlpInput: ProjectionGroup.Saved, mlpOutput: ProjectionGroup.Saved
    }

    var isAdapted: Bool {
        attentionInput.isAdapted || attentionOutput.isAdapted || mlpInput.isAdapted || mlpOutput.isAdapted
    }

    private var queryWidth: Int { attention.heads * attention.size }
    private var keyWidth: Int { attention.keyHeads * attention.size }
    private var intermediate: Int { mlpOutput.inputs }

    /// Cuts what the forward pass keeps. x (tokens, hidden) is the layer's input.
    func makeSaved(_ x: MatrixView, _ arena: Arena) -> Saved { makeSaved(makeCore(x, arena), arena) }

    /// Cuts the part that is kept where the rest is computed again. x (tokens, hidden) is the layer's input.
    func makeCore(_ x: MatrixView, _ arena: Arena) -> Core {
        let t = x.rows
        return Core(
            x: x, inverseRMS2: arena.matrix(t, 1), o: arena.kept(t, queryWidth, as: precision),
            logSum: arena.matrix(t, attention.heads),
            mlp: (arena.kept(t, intermediate, as: precision), arena.kept(t, intermediate, as: precision)),
            attentionOutput: attentionOutput.makeSaved(tokens: t, in: arena),
            mlpInput: mlpInput.makeSaved(tokens: t, in: arena), mlpOutput: mlpOutput.makeSaved(tokens: t, in: arena))
    }

    /// Cuts the rest.
    func makeSaved(_ core: Core, _ arena: Arena) -> Saved {
        let t = core.x.rows
        return Saved(
            core: core, middle: arena.matrix(t, core.x.columns), inverseRMS1: arena.matrix(t, 1),
            q: arena.kept(t, queryWidth, as: precision), k: arena.kept(t, keyWidth, as: precision),
            v: arena.kept(t, keyWidth, as: precision),
            attentionInput: attentionInput.makeSaved(tokens: t, in: arena))
    }

    /// output (tokens, hidden) = the layer of saved.x. `attend` computes o from q, k, v where attention is not within the batch
    /// alone.
    func forward(
        _ saved: Saved, into output: MatrixView, _ pass: PassContext, attend: ((Heads) -> Void)? = nil
    ) {
        let (arena, workers, adapter) = (pass.arena, pass.workers, pass.adapter)
        let mark = arena.mark
        defer { arena.release(to: mark) }

        let attentionMark = arena.mark
        let (q, k, v) = forwardQueries(saved, pass)
        let heads = Heads(q: q, k: k, v: v, o: saved.o.target(in: arena), logSum: saved.logSum)
        if let attend {
            attend(heads)
        } else {
            attention.forward(
                q: q, k: k, v: v, segments: pass.batch.segments, into: heads.o, logSum: heads.logSum, arena: arena,
                on: workers)
        }
        keep([(saved.o, heads.o)], workers)
        tell([("q", q), ("k", k), ("v", v), ("attention", heads.o)], pass)
        arena.release(to: attentionMark)
        forwardMiddle(saved, pass)

        let (gate, up) = (saved.mlp.gate.target(in: arena), saved.mlp.up.target(in: arena))
        mlpInput.forward(
            postAttentionNorm.rows(of: saved.middle, keeping: saved.inverseRMS2), adapter: adapter,
            mask: pass.mask(layer: index, group: 2), into: [gate, up], saving: saved.mlpInput, arena: arena, on: workers
        )
        copyRows(saved.middle, to: output, workers)
        mlpOutput.forward(
            SwiGLU.rows(gate: gate, up: up, keeping: saved.mlp), adapter: adapter,
            mask: pass.mask(layer: index, group: 3), into: [output], accumulate: true, saving: saved.mlpOutput,
            arena: arena, on: workers)

        tell([("after attention", saved.middle), ("gate", gate), ("up", up), ("output", output)], pass)
    }

    private func tell(_ values: [(name: String, value: MatrixView)], _ pass: PassContext) {
        guard let probe = pass.probe else { return }
        for (name, value) in values { probe("layer \(index) \(name)", value) }
    }

    /// Keeps what was computed beside where it is kept.
    private func keep(_ values: [(kept: KeptMatrix, target: MatrixView)], _ workers: Workers) {
        guard precision == .bf16 else { return }
        workers.rows(values[0].target.rows, grain: 64) { range, _ in
            for (kept, target) in values { for row in range { kept.keep(row: row, of: target) } }
        }
    }

    /// Computes what `saved` holds beside its core, from the core.
    func forwardAgain(_ saved: Saved, _ pass: PassContext) {
        let mark = pass.arena.mark
        _ = forwardQueries(saved, pass)
        pass.arena.release(to: mark)
        forwardMiddle(saved, pass)
    }

    /// q, k and v of the layer's input, cut from the arena where they are not kept as they are.
    private func forwardQueries(
        _ saved: Saved, _ pass: PassContext
    ) -> (q: MatrixView, k: MatrixView, v: MatrixView) {
        let (arena, workers) = (pass.arena, pass.workers)
        let (q, k, v) = (saved.q.target(in: arena), saved.k.target(in: arena), saved.v.target(in: arena))
        attentionInput.forward(
            inputNorm.rows(of: saved.x, keeping: saved.inverseRMS1), adapter: pass.adapter,
            mask: pass.mask(layer: index, group: 0), into: [q, k, v], saving: saved.attentionInput, arena: arena,
            on: workers)
        rotary.apply(q, heads: attention.heads, tokenPositions: pass.batch.positions, on: workers)
        rotary.apply(k, heads: attention.keyHeads, tokenPositions: pass.batch.positions, on: workers)
        keep([(saved.q, q), (saved.k, k), (saved.v, v)], workers)
        return (q, k, v)
    }

    /// x + the output map of o.
    private func forwardMiddle(_ saved: Saved, _ pass: PassContext) {
        copyRows(saved.x, to: saved.middle, pass.workers)
        attentionOutput.forward(
            RowSource(saved.o), adapter: pass.adapter, mask: pass.mask(layer: index, group: 1), into: [saved.middle],
            accumulate: true, saving: saved.attentionOutput, arena: pass.arena, on: pass.workers)
    }

    /// Adds the gradients of this layer's A and B to `sums`, and turns d (tokens, hidden), the gradient of the layer's output,
    /// into that of its input. gate and up in `saved` become their gradients. `needsInput` is false for the lowest adapted layer, below
    /// which nothing is trained; d is then left unfinished.
    func backward(
        _ d: MatrixView, from saved: Saved, adapter: ParameterSlab, addingTo sums: ExactSums, needsInput: Bool,
        _ pass: PassContext
    ) {
        let (arena, workers) = (pass.arena, pass.workers)
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let (t, hidden) = (d.rows, d.columns)
        let dNormed = arena.matrix(t, hidden)
        let needsAttention = needsInput || attentionInput.isAdapted || attentionOutput.isAdapted

        let mlpMark = arena.mark
        let needsMLPInput = needsAttention || mlpInput.isAdapted
        let dActivation = needsMLPInput ? arena.matrix(t, intermediate) : nil
        mlpOutput.backward(
            [.floats(d)], x: SwiGLU.rows(of: saved.mlp), adapter: adapter, mask: pass.mask(layer: index, group: 3),
            from: saved.mlpOutput, addingTo: sums, into: dActivation, arena: arena, on: workers)
        guard let dActivation else { return }
        SwiGLU.backward(dActivation, replacing: saved.mlp, on: workers)
        mlpInput.backward(
            [saved.mlp.gate, saved.mlp.up], x: postAttentionNorm.rows(of: saved.middle, inverseRMS: saved.inverseRMS2),
            adapter: adapter, mask: pass.mask(layer: index, group: 2), from: saved.mlpInput, addingTo: sums,
            into: needsAttention ? dNormed : nil, arena: arena, on: workers)
        guard needsAttention else { return }
        postAttentionNorm.backward(
            dNormed, x: saved.middle, inverseRMS: saved.inverseRMS2, addingTo: d, on: workers)
        arena.release(to: mlpMark)

        let needsScores = needsInput || attentionInput.isAdapted
        let dAttention = needsScores ? arena.matrix(t, queryWidth) : nil
        attentionOutput.backward(
            [.floats(d)], x: RowSource(saved.o), adapter: adapter, mask: pass.mask(layer: index, group: 1),
            from: saved.attentionOutput, addingTo: sums, into: dAttention, arena: arena, on: workers)
        guard let dAttention else { return }
        let (dq, dk, dv) = (arena.matrix(t, queryWidth), arena.matrix(t, keyWidth), arena.matrix(t, keyWidth))
        let headsMark = arena.mark
        let (q, k, v, o) = (
            arena.matrix(RowSource(saved.q), on: workers), arena.matrix(RowSource(saved.k), on: workers),
            arena.matrix(RowSource(saved.v), on: workers), arena.matrix(RowSource(saved.o), on: workers)
        )
        attention.backward(
            dAttention, q: q, k: k, v: v, o: o, logSum: saved.logSum, segments: pass.batch.segments, dq: dq, dk: dk,
            dv: dv, arena: arena, on: workers)
        arena.release(to: headsMark)
        rotary.apply(dq, heads: attention.heads, tokenPositions: pass.batch.positions, inverse: true, on: workers)
        rotary.apply(dk, heads: attention.keyHeads, tokenPositions: pass.batch.positions, inverse: true, on: workers)
        attentionInput.backward(
            [dq, dk, dv].map(KeptMatrix.floats), x: inputNorm.rows(of: saved.x, inverseRMS: saved.inverseRMS1),
            adapter: adapter, mask: pass.mask(layer: index, group: 0), from: saved.attentionInput, addingTo: sums,
            into: needsInput ? dNormed : nil, arena: arena, on: workers)
        if needsInput {
            inputNorm.backward(dNormed, x: saved.x, inverseRMS: saved.inverseRMS1, addingTo: d, on: workers)
        }
    }

    private func copyRows(_ x: MatrixView, to y: MatrixView, _ workers: Workers) {
        workers.rows(x.rows, grain: 64) { range, _ in y.rows(range).copy(from: x.rows(range)) }
    }
}
