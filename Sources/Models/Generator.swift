import Foundation
import Layers
public import LoRA
public import Tensors

/// How the next token is chosen.
public struct Sampling: Sendable {
    /// Most tokens of an answer.
    public var maxNewTokens = 256
    /// 0 takes the likeliest token.
    public var temperature = 0.0
    /// Chooses among the likeliest tokens whose probabilities add up to this.
    public var topP = 1.0
    /// Chooses among so many of the likeliest tokens; 0 for all.
    public var topK = 0
    public var seed: UInt64 = 42
    public init() {}
}

/// Continues several prompts side by side, each with a cache of keys and values, so that a weight is read once for all.
public struct Generator {
    private let base: BaseModel
    private let adapter: Adapter?
    private let workers: Workers
    private let stopTokens: Set<Int32>
    private let precision: Precision

    /// - Parameters:
    ///   - base: the frozen weights.
    ///   - adapter: A and B of some of its linear maps, or nil.
    ///   - workers: share the work.
    ///   - stopTokens: an answer ends before the first of these.
    ///   - precision: what the inputs of products are rounded to.
    public init(
        base: BaseModel, adapter: Adapter?, workers: Workers, stopTokens: Set<Int32>, precision: Precision = .fp32
    ) {
        self.base = base
        self.adapter = adapter
        self.workers = workers
        self.stopTokens = stopTokens
        self.precision = precision
    }

    /// One prompt on its way.
    private struct Sequence {
        var length: Int
        var next: Int32 = 0
        var answer: [Int32] = []
        var isDone = false
        var isComplete = false
        let caches: [KeyValueCache]
    }

    /// What the model says to a prompt.
    public struct Answer: Sendable {
        /// Without the token that ended it.
        public let tokens: [Int32]
        /// The model ended it itself.
        public let isComplete: Bool
    }

    /// The answer to each prompt.
    public func answers(_ prompts: [[Int32]], sampling: Sampling) -> [Answer] {
        precondition(prompts.allSatisfy { !$0.isEmpty } && sampling.maxNewTokens >= 1)
        let longest = (prompts.map(\.count).max() ?? 1) + sampling.maxNewTokens
        let decoder = Decoder(base: base, adapter: adapter, positions: longest, precision: precision)
        decoder.prepare(on: workers)
        let cacheArena = makeCacheArena(prompts, sampling)
        // The caches are views, which do not keep their memory.
        defer { withExtendedLifetime(cacheArena) {} }
        let width = base.config.keyHeads * base.config.headSize
        var sequences = prompts.map { prompt in
            let capacity = prompt.count + sampling.maxNewTokens
            return Sequence(
                length: prompt.count,
                caches: base.layers.map { _ in
                    KeyValueCache(
                        keys: cacheArena.matrix(capacity, width), values: cacheArena.matrix(capacity, width))
                })
        }
        for index in sequences.indices {
            let logits = decoder.prefill(prompts[index], caches: sequences[index].caches, on: workers)
            advance(&sequences[index], index, logits, sampling)
        }
        while true {
            let active = sequences.indices.filter { !sequences[$0].isDone }
            if active.isEmpty { return sequences.map { Answer(tokens: $0.answer, isComplete: $0.isComplete) } }
            for index in active { sequences[index].length += 1 }
            let logits = decoder.extend(
                active.map { (sequences[$0].next, sequences[$0].length, sequences[$0].caches) }, on: workers)
            for (row, index) in active.enumerated() { advance(&sequences[index], index, logits[row], sampling) }
        }
    }

    private func makeCacheArena(_ prompts: [[Int32]], _ sampling: Sampling) -> Arena {
        let measuring = Arena.measuring()
        let width = base.config.keyHeads * base.config.headSize
        for prompt in prompts {
            for _ in 0..<2 * base.config.layers { _ = measuring.matrix(prompt.count + sampling.maxNewTokens, width) }
        }
        return Arena(bytes: measuring.peak)
    }

    private func advance(_ sequence: inout Sequence, _ index: Int, _ logits: [Float], _ sampling: Sampling) {
        let token = sampling.choose(logits, sequence: index, position: sequence.answer.count)
        if stopTokens.contains(token) {
            sequence.isComplete = true
            sequence.isDone = true
            return
        }
        sequence.answer.append(token)
        sequence.next = token
        sequence.isDone = sequence.answer.count == sampling.maxNewTokens
    }
}

extension Sampling {
    /// A token for these logits; the same for the same (seed, sequence, position).
    func choose(_ logits: [Float], sequence: Int, position: Int) -> Int32 {
        if temperature == 0 { return Int32(logits.indices.max { logits[$0] < logits[$1] }!) }
        var order = Array(logits.indices).sorted { logits[$0] > logits[$1] }
        if topK > 0 { order = Array(order.prefix(topK)) }
        let largest = logits[order[0]]
        let weights = order.map { exp(Double(logits[$0] - largest) / temperature) }
        let total = weights.reduce(0, +)
        var kept = 0
        var sum = 0.0
        while kept < weights.count, sum < topP * total || kept == 0 {
            sum += weights[kept]
            kept += 1
        }
        let random = CounterRandom(seed: seed, purpose: RandomPurpose.sampling(sequence: sequence))
        var left = Double(random.uniform(position)) * sum
        for i in 0..<kept {
            left -= weights[i]
            if left < 0 { return Int32(order[i]) }
        }
        return Int32(order[kept - 1])
    }
}

extension Decoder {
    /// Runs a prompt, fills its caches (one for each layer) and returns the logits after its last token.
    func prefill(_ prompt: [Int32], caches: [KeyValueCache], on workers: Workers) -> [Float] {
        var batch = PackedBatch()
        batch.append(tokens: prompt, labels: prompt, key: 0)
        return runOnce(batch, rows: [prompt.count - 1], on: workers) { layer, heads, pass in
            if !pass.arena.isMeasuring {
                caches[layer.index].keys.rows(0..<prompt.count).copy(from: heads.k)
                caches[layer.index].values.rows(0..<prompt.count).copy(from: heads.v)
            }
            layer.attention.forward(
                q: heads.q, k: heads.k, v: heads.v, segments: batch.segments, into: heads.o, logSum: heads.logSum,
                arena: pass.arena, on: pass.workers)
        }[0]
    }

    /// Runs one new token of each sequence and returns the logits after it. Of each sequence: the token, the length with it, and
    /// the caches.
    func extend(_ sequences: [(token: Int32, length: Int, caches: [KeyValueCache])], on workers: Workers) -> [[Float]] {
        var batch = PackedBatch()
        for sequence in sequences { batch.append(next: sequence.token, position: sequence.length - 1) }
        return runOnce(batch, rows: Array(sequences.indices), on: workers) { layer, heads, pass in
            if pass.arena.isMeasuring { return }
            for (row, sequence) in sequences.enumerated() {
                let (cache, place) = (sequence.caches[layer.index], sequence.length - 1..<sequence.length)
                cache.keys.rows(place).copy(from: heads.k.rows(row..<row + 1))
                cache.values.rows(place).copy(from: heads.v.rows(row..<row + 1))
            }
            layer.attention.forwardCached(
                q: heads.q, caches: sequences.map { $0.caches[layer.index] }, lengths: sequences.map(\.length),
                into: heads.o, on: workers)
        }
    }

    /// One pass with an attention of the caller's; the logits of some rows.
    private func runOnce(
        _ batch: PackedBatch, rows: [Int], on workers: Workers,
        attend: @escaping (DecoderLayer, DecoderLayer.Heads, PassContext) -> Void
    ) -> [[Float]] {
        func pass(_ arena: Arena, _ workers: Workers) -> MatrixView {
            let context = context(batch, adapter?.values, nil, arena, workers, nil)
            var x = embed(batch, context)
            var y = arena.matrix(x.rows, x.columns)
            let mark = arena.mark
            for layer in layers {
                layer.forward(layer.makeSaved(x, arena), into: y, context) { attend(layer, $0, context) }
                arena.release(to: mark)
                swap(&x, &y)
            }
            return logits(of: x, rows: rows, context)
        }
        let measuring = Arena.measuring()
        _ = pass(measuring, .dry())
        let arena = Arena(bytes: measuring.peak)
        return withExtendedLifetime(arena) {
            let result = pass(arena, workers)
            return rows.indices.map { result.rows($0..<$0 + 1).elements }
        }
    }
}
