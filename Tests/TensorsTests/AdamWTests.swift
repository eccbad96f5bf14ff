import Foundation
import Tensors
import Testing

@Suite struct AdamWTests {
    /// A parameter with its moments, updated as torch.optim.AdamW does, in Double.
    private struct Plain {
        var value: Double
        var m = 0.0, v = 0.0

        mutating func apply(_ step: AdamWStep, gradient: Double) {
            value *= 1 - step.learningRate * step.weightDecay
            m = step.beta1 * m + (1 - step.beta1) * gradient
            v = step.beta2 * v + (1 - step.beta2) * gradient * gradient
            let correctedM = m / (1 - pow(step.beta1, Double(step.step)))
            let correctedV = v / (1 - pow(step.beta2, Double(step.step)))
            value -= step.learningRate * correctedM / (correctedV.squareRoot() + step.epsilon)
        }
    }

    /// 20 steps; each element's change must agree with that in Double to a few roundings of the value.
    @Test(arguments: [0.0, 0.1]) func agreesWithDouble(_ weightDecay: Double) {
        var random = Seeded(3)
        let count = 70_001
        var layout = ParameterLayout()
        _ = layout.append("a", rows: 1, columns: count)
        let start = random.floats(count)
        _ = checkSameForAllWorkers { workers in
            var random = Seeded(4)
            let (values, m, v) = (ParameterSlab(layout), ParameterSlab(layout), ParameterSlab(layout))
            let sums = ExactSums(layout)
            let arena = Arena(bytes: count * 4)
            let gradient = arena.matrix(1, count)
            values[0].copy(from: start)
            var plain = start.map { Plain(value: Double($0)) }
            for step in 1...20 {
                // Gradients of every size from 1e-9, where epsilon matters, to 1, and some zeros.
                gradient.copy(
                    from: random.floats(count).enumerated().map { i, g in
                        i % 11 == 0 ? 0 : g * Float(pow(10, -Double(i % 10)))
                    })
                sums.zero()
                sums.add(gradient, to: 0..<1, on: workers)
                let update = AdamWStep(
                    learningRate: 1e-2 / Double(step), beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                    weightDecay: weightDecay, step: step, gradientFactor: 0.25)
                update.apply(sums, values: values, m: m, v: v, on: workers)
                for i in plain.indices {
                    plain[i].apply(update, gradient: 0.25 * sums.value(entry: 0, row: 0, column: i))
                }
            }
            let (found, foundM, foundV) = (values[0].elements, m[0].elements, v[0].elements)
            var worst = (value: 0.0, m: 0.0, v: 0.0)
            for i in plain.indices {
                worst.value = max(worst.value, abs(Double(found[i]) - plain[i].value))
                worst.m = max(worst.m, abs(Double(foundM[i]) - plain[i].m) / max(plain[i].v.squareRoot(), 1e-12))
                worst.v = max(worst.v, abs(Double(foundV[i]) - plain[i].v) / max(abs(plain[i].v), 1e-24))
            }
            // Values are below 2, so a rounding is 2⁻²⁴ at most, and each step has three.
            #expect(worst.value < 60 * 0x1p-24, "worst error \(worst.value)")
            #expect(worst.v < 3e-6, "worst relative error \(worst.v)")
            #expect(worst.m < 3e-5, "worst error, over the root of v, \(worst.m)")
            return values.bytes + m.bytes + v.bytes
        }
    }

    /// An update of two entries with rates of their own, by parts that cut them anywhere, is that of the whole; elements of no part
    /// stay as they are.
    @Test(arguments: [[0, 16, 48, 90_000, 100_007], [0, 100_007], [0, 33_328, 66_672, 100_007]])
    func byParts(_ cuts: [Int]) {
        var layout = ParameterLayout()
        _ = layout.append("a", rows: 1, columns: 70_003)
        _ = layout.append("b", rows: 1, columns: 30_004)
        var random = Seeded(5)
        let sums = ExactSums(layout)
        let arena = Arena(bytes: layout.count * 4)
        let workers = Workers(count: 2)
        for entry in 0..<2 {
            let gradient = arena.matrix(1, layout.entries[entry].columns)
            gradient.copy(from: random.floats(gradient.columns))
            sums.add(gradient, to: entry..<entry + 1, on: workers)
        }
        let start = (0..<2).map { random.floats(layout.entries[$0].columns) }
        let owner = NSObject()
        func updated(_ parts: [Range<Int>]) -> [UInt8] {
            // Slabs over memory that another holds are slabs like others.
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.count * 4, alignment: 64)
            defer { memory.deallocate() }
            let values = ParameterSlab(layout, in: memory, owner: owner)
            let (m, v) = (ParameterSlab(layout), ParameterSlab(layout))
            for entry in 0..<2 { values[entry].copy(from: start[entry]) }
            for step in 1...3 {
                let update = AdamWStep(
                    learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, step: step,
                    gradientFactor: 0.5)
                for part in parts {
                    update.apply(
                        sums, values: values, m: m, v: v, rateFactor: { $0 == 0 ? 1 : 16 }, part: part, on: workers)
                }
            }
            return values.bytes + m.bytes + v.bytes
        }
        let whole = updated([0..<layout.count])
        #expect(updated(zip(cuts, cuts.dropFirst()).map { $0..<$1 }) == whole)
        let half = updated([0..<50_000])
        #expect(Array(half[..<200_000]) == Array(whole[..<200_000]))
        #expect(Array(half[200_000..<280_012]) == start[0][50_000...].withUnsafeBytes { Array($0) })
    }
}
