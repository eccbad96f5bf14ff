import Layers
public import LoRA
public import Tensors

/// What dropout's random numbers are for in a layer's input group.
func dropoutPurpose(_ layer: Int, _ group: Int) -> UInt64 { RandomPurpose.dropout(layer: layer, group: group) }

/// A Llama-family decoder over a frozen base, with or without an adapter.
public struct Decoder: Sendable {
    public let base: BaseModel
    public let adapter: Adapter?
    /// What the inputs of linear maps, of the low-rank terms and of the head are rounded to.
    public let precision: Precision
    let embedding: Embedding
    let layers: [DecoderLayer]
    let finalNorm: RMSNorm
    let head: VocabularyHead
    /// The share of targets that training spreads over the vocabulary.
    public let labelSmoothing: Double
    /// What the forward pass keeps for the backward pass.
    public internal(set) var checkpointing: Checkpointing
    /// The first layer in which something is trained, −1 for the embedding; no gradient is needed below it.
    let lowestAdapted: Int?

    /// Connects the weights of a base and an adapter.
    /// - Parameters:
    ///   - base: the frozen weights.
    ///   - adapter: A and B of some of its linear maps and what else is trained, or nil.
    ///   - positions: the longest example or generated text, in tokens.
    ///   - precision: what the inputs of linear maps, of the low-rank terms and of the head are rounded to.
    ///   - checkpointing: what the forward pass keeps for the backward pass.
    ///   - labelSmoothing: the share of targets that `train` spreads over the vocabulary.
    public init(
        base: BaseModel, adapter: Adapter?, positions: Int, precision: Precision = .fp32,
        checkpointing: Checkpointing = .none, labelSmoothing: Double = 0
    ) {
        self.base = base
        self.labelSmoothing = labelSmoothing
        self.checkpointing = checkpointing
        self.adapter = adapter
        self.precision = precision
        let config = base.config
        let rotary = RotaryEmbedding(
            positions: positions, headSize: config.headSize, theta: config.ropeTheta, scaling: config.ropeScaling)
        let attention = Attention(
            heads: config.heads, keyHeads: config.keyHeads, size: config.headSize, precision: precision)
        let adapters = adapter?.projectionAdapters ?? [:]
        embedding = Embedding(weight: base.embedding)
        finalNorm = RMSNorm(weight: base.finalNorm, epsilon: Float(config.normEpsilon))
        head = VocabularyHead(weight: base.head, precision: precision)
        layers = base.layers.enumerated().map { index, weights in
            let groups = LinearModule.groups.map { modules in
                ProjectionGroup(
                    modules.map { module in
                        let path = module.path(layer: index)
                        let linear = weights.linears[module]!
                        return Projection(
                            name: path, weight: linear.weight, bias: linear.bias, adapter: adapters[path],
                            trainedBias: adapter?.biases[path])
                    }, precision: precision)
            }
            return DecoderLayer(
                index: index, inputNorm: RMSNorm(weight: weights.inputNorm, epsilon: Float(config.normEpsilon)),
                postAttentionNorm: RMSNorm(weight: weights.postAttentionNorm, epsilon: Float(config.normEpsilon)),
                attentionInput: groups[0], attentionOutput: groups[1], mlpInput: groups[2], mlpOutput: groups[3],
                rotary: rotary, attention: attention, precision: precision)
        }
        lowestAdapted = adapter?.whole[.embedding] != nil ? -1 : layers.firstIndex(where: \.isAdapted)
    }

    /// The randomness of a training step: dropout, and NEFTune's noise on embeddings.
    public struct Dropout: Sendable {
        public let probability: Double
        public let seed: UInt64
        /// The update that the step leads to, from 0.
        public let step: Int
        /// NEFTune's α; 0 for no noise.
        public let neftuneAlpha: Double
        public init(probability: Double, seed: UInt64, step: Int, neftuneAlpha: Double = 0) {
            self.probability = probability
            self.seed = seed
            self.step = step
            self.neftuneAlpha = neftuneAlpha
        }

        /// Whether examples with the same beginning differ in it.
        var differs: Bool { probability > 0 || neftuneAlpha > 0 }
    }

    /// Loss and gradients of a micro-batch, added to `sums`.
    /// - Parameters:
    ///   - batch: the examples. With dropout or noise none may share a prefix, as each has its own.
    ///   - factor: 1 over the trained tokens of the global batch.
    ///   - dropout: nil for none, and for no noise.
    ///   - sums: receive the gradients, in the adapter's layout.
    ///   - arena: given back as a whole first; at least `trainingArenaBytes`.
    ///   - workers: share the work.
    ///   - clock: told of the end of each phase.
    ///   - probe: called with the name and value of each layer's output.
    /// - Returns: the sum of the losses.
    public func train(
        _ batch: PackedBatch, factor: Float, dropout: Dropout?, addingTo sums: ExactSums, arena: Arena,
        on workers: Workers, clock: PhaseClock? = nil, probe: ((String, MatrixView) -> Void)? = nil
    ) -> LossSum {
        precondition(
            !(dropout?.differs ?? false) || !batch.hasSharedPrefix, "dropout and noise differ between examples")
        arena.reset()
        guard let adapter, let lowestAdapted, !batch.targets.isEmpty else { return LossSum() }
        let pass = context(batch, adapter.values, dropout, arena, workers, probe)
        var x = embed(batch, pass)
        if let dropout { addNoise(dropout, batch, to: x, on: workers) }
        let kept = forwardKeeping(&x, pass)
        clock?.end(.forward)
        let d = arena.matrix(x.rows, x.columns)
        let loss = headLoss(x, batch, d: d, factor: factor, smoothing: labelSmoothing, addingTo: sums, pass)
        clock?.end(.head)
        for index in stride(from: layers.count - 1, through: max(lowestAdapted, 0), by: -1) {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            layers[index].backward(
                d, from: kept.saved(index, layers[index], pass), adapter: adapter.values, addingTo: sums,
                needsInput: index > lowestAdapted, pass)
            probe?("gradient below layer \(index)", d)
        }
        addEmbeddingGradient(d, batch, to: sums, on: workers)
        clock?.end(.backward)
        return loss
    }

    /// Bytes of arena that `train` needs for micro-batches of at most this size: what its own code asks of an arena that only
    /// adds up.
    public func trainingArenaBytes(_ size: MicroBatchSize, hasDropout: Bool) -> Int {
        guard let adapter else { return evaluationArenaBytes(size) }
        let arena = Arena.measuring()
        _ = train(
            .sample(size), factor: 0,
            dropout: hasDropout ? Dropout(probability: 0.5, seed: 0, step: 0) : nil,
            addingTo: ExactSums(adapter.values.layout), arena: arena, on: .dry())
        return arena.peak
    }

    /// Bytes of arena that `evaluate` needs.
    public func evaluationArenaBytes(_ size: MicroBatchSize) -> Int {
        let arena = Arena.measuring()
        _ = evaluate(.sample(size), arena: arena, on: .dry())
        return arena.peak
    }

    /// The loss of a micro-batch.
    /// - Parameters:
    ///   - batch: the examples.
    ///   - usesAdapter: false computes the base alone.
    ///   - smoothsLabels: whether the loss is that of training; else it is plain cross-entropy, so that its exponential is the
    ///     perplexity.
    ///   - arena: given back as a whole first; at least `evaluationArenaBytes`, or `trainingArenaBytes` with smoothed labels.
    ///   - workers: share the work.
    /// - Returns: the sum of the losses.
    public func evaluate(
        _ batch: PackedBatch, usesAdapter: Bool = true, smoothsLabels: Bool = false, arena: Arena, on workers: Workers
    ) -> LossSum {
        arena.reset()
        if batch.targets.isEmpty { return LossSum() }
        let pass = context(batch, usesAdapter ? adapter?.values : nil, nil, arena, workers, nil)
        return headLoss(
            hiddenStates(batch, pass), batch, d: nil, factor: 0, smoothing: smoothsLabels ? labelSmoothing : 0,
            addingTo: nil, pass)
    }

    /// The logits at the rows given.  Returns (rows, vocabulary), cut from the arena.
    public func logits(
        _ batch: PackedBatch, rows: [Int], usesAdapter: Bool = true, arena: Arena, on workers: Workers
    ) -> MatrixView {
        arena.reset()
        let pass = context(batch, usesAdapter ? adapter?.values : nil, nil, arena, workers, nil)
        return logits(of: hiddenStates(batch, pass), rows: rows, pass)
    }

    // MARK: Parts

    /// Runs all layers, keeping what their backward passes read or can compute it from; x becomes the last output.
    private func forwardKeeping(_ x: inout MatrixView, _ pass: PassContext) -> KeptLayers {
        let arena = pass.arena
        var kept = KeptLayers()
        for (index, layer) in layers.enumerated() {
            let input = x
            // The backward pass does not come below the lowest adapted layer.
            switch index < lowestAdapted ?? 0 ? .block : checkpointing {
            case .none: kept.layers.append(.all(layer.makeSaved(input, arena)))
            case .selective: kept.layers.append(.core(layer.makeCore(input, arena)))
            case .block: kept.layers.append(.input(input))
            }
            x = arena.matrix(input.rows, input.columns)
            let mark = arena.mark
            defer { arena.release(to: mark) }
            layer.forward(kept.room(index, layer, arena), into: x, pass)
        }
        return kept
    }

    func context(
        _ batch: PackedBatch, _ adapter: ParameterSlab?, _ dropout: Dropout?, _ arena: Arena, _ workers: Workers,
        _ probe: ((String, MatrixView) -> Void)?
    ) -> PassContext {
        let masks = dropout.map {
            PassContext.Dropout(
                probability: $0.probability, seed: $0.seed, step: $0.step,
                keys: DropoutMask.TokenKeys(
                    examples: batch.exampleKeys, positions: batch.positions.map { UInt32($0) }))
        }
        return PassContext(
            batch: batch, adapter: adapter, dropout: masks, arena: arena, workers: workers, probe: probe)
    }

    func embed(_ batch: PackedBatch, _ pass: PassContext) -> MatrixView {
        let x = pass.arena.matrix(batch.tokens.count, base.config.hidden)
        embedding(pass.adapter).forward(batch.tokens, into: x, on: pass.workers)
        pass.probe?("embedding", x)
        return x
    }

    /// The last layer's output, keeping nothing of the layers before.
    private func hiddenStates(_ batch: PackedBatch, _ pass: PassContext) -> MatrixView {
        var x = embed(batch, pass)
        var y = pass.arena.matrix(x.rows, x.columns)
        let mark = pass.arena.mark
        for layer in layers {
            layer.forward(layer.makeSaved(x, pass.arena), into: y, pass)
            pass.arena.release(to: mark)
            swap(&x, &y)
        }
        return x
    }

    /// The loss at the trained rows of x and, if d is given, d = its gradient with respect to x (zero elsewhere). The gradient of a
    /// trained head goes to `sums`.
    private func headLoss(
        _ x: MatrixView, _ batch: PackedBatch, d: MatrixView?, factor: Float, smoothing share: Double,
        addingTo sums: ExactSums?, _ pass: PassContext
    ) -> LossSum {
        let (arena, workers) = (pass.arena, pass.workers)
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let count = batch.trainedRows.count
        let input = arena.matrix(count, x.columns)
        let h = arena.matrix(count, x.columns)
        let inverseRMS = arena.matrix(count, 1)
        let losses = arena.matrix(count, 1)
        let dh = d.map { _ in arena.matrix(count, x.columns) }
        gather(x, batch.trainedRows, into: input, workers)
        finalNorm.forward(input, into: h, inverseRMS: inverseRMS, on: workers)
        let head = head(pass.adapter)
        let smoothing =
            share > 0 ? LabelSmoothing(share: Float(share), mean: head.meanRow(arena: arena, on: workers)) : nil
        let logSums = arena.matrix(count, 1)
        head.loss(
            h, targets: batch.targets, into: losses, dh: dh, factor: factor, smoothing: smoothing, logSums: logSums,
            arena: arena, on: workers)
        if let sums, let slab = pass.adapter, let entry = adapter?.whole[.head] {
            head.backward(
                h, table: slab[entry], targets: batch.targets, logSums: logSums,
                factors: batch.repeats.map { factor * Float($0) }, smoothing: smoothing, addingTo: sums, entry: entry,
                arena: arena, on: workers)
        }
        if let d, let dh {
            let dInput = arena.matrix(count, x.columns)
            workers.rows(count) { range, _ in
                dInput.rows(range).fill(0)
                for i in range where batch.repeats[i] > 1 { dh.scale(row: i, by: Float(batch.repeats[i])) }
            }
            finalNorm.backward(dh, x: input, inverseRMS: inverseRMS, addingTo: dInput, on: workers)
            workers.rows(d.rows) { range, _ in d.rows(range).fill(0) }
            scatter(dInput, batch.trainedRows, into: d, workers)
        }
        var sum = LossSum()
        if arena.isMeasuring { return sum }
        for i in 0..<count { sum.add(losses[i, 0], times: batch.repeats[i]) }
        return sum
    }

    func logits(of x: MatrixView, rows: [Int], _ pass: PassContext) -> MatrixView {
        let (arena, workers) = (pass.arena, pass.workers)
        let input = arena.matrix(rows.count, x.columns)
        let h = arena.matrix(rows.count, x.columns)
        let inverseRMS = arena.matrix(rows.count, 1)
        let logits = arena.matrix(rows.count, base.config.vocabulary)
        gather(x, rows, into: input, workers)
        finalNorm.forward(input, into: h, inverseRMS: inverseRMS, on: workers)
        head(pass.adapter).logits(h, into: logits, arena: arena, on: workers)
        return logits
    }

    /// Adds up what goes to one row, in the order given, in which equal rows follow each other.
    private func scatter(_ x: MatrixView, _ rows: [Int], into y: MatrixView, _ workers: Workers) {
        workers.rows(rows.count) { range, _ in
            for i in range where i == 0 || rows[i - 1] != rows[i] {
                y.rows(rows[i]..<rows[i] + 1).copy(from: x.rows(i..<i + 1))
                for more in rows[(i + 1)...].indices.prefix(while: { rows[$0] == rows[i] }) {
                    y.add(row: rows[i], x, row: more)
                }
            }
        }
    }

    private func gather(_ x: MatrixView, _ rows: [Int], into y: MatrixView, _ workers: Workers) {
        workers.rows(rows.count) { range, _ in
            for i in range { y.rows(i..<i + 1).copy(from: x.rows(rows[i]..<rows[i] + 1)) }
        }
    }
}
