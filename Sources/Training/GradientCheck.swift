import Datasets
import Foundation
import LoRA
import Models
import Tensors

extension Trainer {
    /// What `--debug` does before the first step, on the shortest example of the first batch: looks for NaN and infinity in
    /// every layer's output, compares the gradients of a few elements of each trained matrix, computed in fp32, with central
    /// differences of the loss, and tells the size of every tensor and gradient. B = 0 would hide A from the loss, so that B is given small random
    /// values meanwhile. The norms of DoRA stay what they are for these, as gradients take them for constants, and magnitudes
    /// are near them, so that no output grows out of proportion.
    /// Where ranks share the adapter, one of each node does so.
    /// - Parameter tell: gets the lines of the report.
    /// - Throws: the same `SharedError` on all ranks if an output is not finite or a gradient is wrong.
    func check(_ tell: (String) throws -> Void) throws {
        try world.together {
            if placement.writes { try checkHere(tell) }
        }
    }

    private func checkHere(_ tell: (String) throws -> Void) throws {
        let adapter = session.adapter!
        let rows = plan.batch(0)
        let sizes = train.sizes(of: rows)
        let shortest = rows.indices.min { sizes[$0].tokens < sizes[$1].tokens }!
        let example = try train.dataset.example(rows[shortest])
        var batch = PackedBatch()
        batch.append(tokens: example.tokens, labels: example.labels, key: 0)
        let saved = adapter.values.bytes
        defer { adapter.values.setBytes(saved) }
        disturb(adapter)
        engine.decoder.prepare(on: engine.workers)
        disturbMagnitudes(adapter)

        let sums = ExactSums(adapter.values.layout)
        if let nonFinite = firstNonFinite(in: batch, dropout: nil, sums) {
            throw SharedError(exitCode: 1, description: "--debug: the first output that is not finite is \(nonFinite)")
        }
        try tell("debug: every layer's output is finite on an example of \(example.tokens.count) tokens")
        let exact = FP32Check(session, batch)
        if engine.decoder.precision != .fp32 { exact.train(engine.workers, into: sums) }
        try compare(adapter, sums, exact, tell)
        for (index, entry) in sums.layout.entries.enumerated() {
            try tell(
                "debug: \(entry.name) (\(entry.rows), \(entry.columns)): |value| \(rms(adapter.values[index].elements)), "
                    + "|gradient| \(rms(sums.values(entry: index))) (root mean square)")
        }
    }

    /// The first output or gradient of a layer that is not finite on any of these rows, each run by itself.
    func firstNonFinite(_ rows: [Int], dropout: Decoder.Dropout) throws -> String? {
        let sums = ExactSums(session.adapter!.values.layout)
        for row in rows {
            let example = try train.dataset.example(row)
            var batch = PackedBatch()
            batch.append(tokens: example.tokens, labels: example.labels, key: UInt32(truncatingIfNeeded: row))
            if let found = firstNonFinite(in: batch, dropout: dropout, sums) {
                let origin = train.dataset.origin(row)
                return "--debug: the first output that is not finite is \(found), at \(origin.file):\(origin.line)"
            }
        }
        return nil
    }

    private func firstNonFinite(in batch: PackedBatch, dropout: Decoder.Dropout?, _ sums: ExactSums) -> String? {
        var found: String?
        _ = engine.decoder.train(
            batch, factor: 1 / Float(max(batch.targets.count, 1)), dropout: dropout, addingTo: sums,
            arena: engine.arena, on: engine.workers
        ) { name, value in
            guard found == nil, let place = value.firstNonFinite() else { return }
            found = "\(name): row \(place.row), column \(place.column) is \(value[place.row, place.column])"
        }
        return found
    }

    private func disturb(_ adapter: Adapter) {
        let random = CounterRandom(seed: 1, purpose: RandomPurpose.gradientCheck)
        var count = 0
        for module in adapter.modules {
            let b = adapter.values[module.b]
            b.copy(from: (0..<b.rows * b.columns).map { (random.uniform(count + $0) - 0.5) * 0.02 })
            count += b.rows * b.columns
        }
    }

    private func disturbMagnitudes(_ adapter: Adapter) {
        let random = CounterRandom(seed: 2, purpose: RandomPurpose.gradientCheck)
        adapter.setMagnitudesToNorms()
        var count = 0
        for module in adapter.modules {
            guard let magnitude = module.magnitude else { continue }
            let m = adapter.values[magnitude]
            m.copy(from: m.elements.enumerated().map { $1 * (0.9 + 0.2 * random.uniform(count + $0)) })
            count += m.columns
        }
    }

    /// Central differences at the elements with the largest gradients.
    private func compare(
        _ adapter: Adapter, _ sums: ExactSums, _ exact: FP32Check, _ tell: (String) throws -> Void
    ) throws {
        let perTensor = adapter.modules.count <= 24 ? 3 : 1
        var worst = (error: 0.0, text: "")
        for (index, entry) in sums.layout.entries.enumerated() {
            let gradients = sums.values(entry: index)
            for element in largest(gradients, count: perTensor) {
                let (row, column) = (element / entry.columns, element % entry.columns)
                let gradient = Double(gradients[element])
                let (measured, noise) = difference(adapter.values[index], row, column, gradient, exact)
                let error = max(0, abs(measured - gradient) - noise) / max(abs(measured), abs(gradient), 1e-12)
                if error >= worst.error {
                    worst = (
                        error, "\(entry.name)[\(row), \(column)]: gradient \(gradient), difference \(measured)"
                    )
                }
            }
        }
        guard worst.error < 0.05 else {
            throw SharedError(
                exitCode: 1, description: "--debug: a gradient disagrees with finite differences: \(worst.text)")
        }
        let percent = (worst.error * 1000).rounded() / 10
        try tell("debug: gradients agree with finite differences; worst by \(percent) %: \(worst.text)")
    }

    /// Where the numbers of the largest magnitude stand, the largest first.
    private func largest(_ values: [Float], count: Int) -> [Int] {
        var found: [Int] = []
        for index in values.indices where found.count < count || abs(values[index]) > abs(values[found.last!]) {
            let place = found.firstIndex { abs(values[index]) > abs(values[$0]) } ?? found.count
            found.insert(index, at: place)
            if found.count > count { found.removeLast() }
        }
        return found
    }

    /// (loss(x + ε) − loss(x − ε)) / 2ε at one element, with ε such that the loss moves by about 2·10⁻³, and how far the
    /// rounding of a loss in fp32 may move that.
    private func difference(
        _ matrix: MatrixView, _ row: Int, _ column: Int, _ gradient: Double, _ exact: FP32Check
    ) -> (slope: Double, noise: Double) {
        let value = matrix[row, column]
        let step = Float(min(0.05, 1e-3 / max(abs(gradient), 1e-9)))
        func loss(_ changed: Float) -> Double {
            matrix[row, column] = changed
            return exact.loss(engine.workers)
        }
        let (above, below) = (value + step, value - step)
        let (upper, lower) = (loss(above), loss(below))
        matrix[row, column] = value
        let width = Double(above - below)
        return ((upper - lower) / width, 4e-6 * max(abs(upper), 1) / width)
    }

    private func rms(_ values: [Float]) -> Float {
        (values.reduce(0) { $0 + $1 * $1 } / Float(max(values.count, 1))).squareRoot()
    }
}

/// The model of a session in fp32 with one micro-batch: bf16 rounds away the small differences that a check looks at.
private struct FP32Check {
    private let decoder: Decoder
    private let batch: PackedBatch
    private let arena: Arena

    init(_ session: Session, _ batch: PackedBatch) {
        self.batch = batch
        decoder = Decoder(
            base: session.base, adapter: session.adapter, positions: batch.tokens.count,
            labelSmoothing: session.config.training.labelSmoothing)
        arena = Arena(
            bytes: decoder.trainingArenaBytes(MicroBatchSize(batch), hasDropout: false))
    }

    func train(_ workers: Workers, into sums: ExactSums) {
        sums.zero()
        _ = decoder.train(
            batch, factor: 1 / Float(batch.targets.count), dropout: nil, addingTo: sums, arena: arena, on: workers)
    }

    func loss(_ workers: Workers) -> Double {
        decoder.evaluate(batch, smoothsLabels: true, arena: arena, on: workers).mean
    }
}
