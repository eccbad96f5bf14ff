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
}
