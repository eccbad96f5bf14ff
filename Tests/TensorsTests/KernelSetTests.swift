import CKernels
import Foundation
import KernelSets
import Tensors
import Testing

/// The kernels of each instruction set that whole updates are made of: exact sums, dropout and AdamW. Sums as integers and
/// masks are the same bits on every set.
@Suite struct KernelSetTests {
    static let lengths = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 65, 1000]

    @Test func everySetOfThisProcessorIsTested() {
        let names = KernelSet.all.map(\.testDescription)
        #expect(names == Array(["chosen at load time", "portable", "x86-64-v3", "x86-64-v4"].prefix(names.count)))
        #if arch(x86_64)
            #expect(names.count >= 2 + Int(ck_best_isa().rawValue), "found \(names)")
        #endif
    }

    @Test(arguments: KernelSet.all) func softmaxFromScores(_ set: KernelSet) {
        var random = Seeded(11)
        var worst = (p: 0.0, ds: 0.0)
        for n in Self.lengths {
            let (s, dp) = (random.floats(n + 1, in: -20...20), random.floats(n + 1))
            var (p, ds) = (s, dp)
            set.kernels.softmax_scores_backward(&p, &ds, 0.5, 2, 0.25, n)
            for i in 0..<n {
                let exact = exp(0.5 * Double(s[i]) - 2)
                let slope = exact * (Double(dp[i]) - 0.25) * 0.5
                worst.p = max(worst.p, abs(Double(p[i]) - exact) / (exact * 0x1p-23))
                worst.ds = max(worst.ds, abs(Double(ds[i]) - slope) / (exact * 1.25 * 0.5 * 0x1p-23))
            }
            #expect(p[n] == s[n] && ds[n] == dp[n], "wrote beyond \(n) elements")
        }
        // The argument is below 16: rounded twice it is off by 2⁻²⁰, eight units of exp, which adds two of its own.
        #expect(worst.p < 11, "worst error of p: \(worst.p) units of 2⁻²³")
        #expect(worst.ds < 14, "worst error of ds: \(worst.ds) units of 2⁻²³")
    }

    @Test(arguments: KernelSet.all) func exactSums(_ set: KernelSet) {
        var random = Seeded(12)
        var worst = 0.0
        for n in Self.lengths {
            // Of every size, so that many lie between two units of 2⁻⁴⁸, and some in the middle.
            let x = (0..<n + 1).map { i in
                i % 5 == 0
                    ? (Float(i % 7) + 0.5) * 0x1p-48
                    : Float.random(in: -1...1, using: &random)
                        * Float(sign: .plus, exponent: 13 - i % 60, significand: 1)
            }
            let start = (0..<n + 1).map { _ in Int64.random(in: -1 << 60...1 << 60, using: &random) }
            var sums = start
            var most: Float = 0
            #expect(set.kernels.exact_add(x, &sums, n, &most) == 0)
            #expect(most == x.prefix(n).map(\.magnitude).max() ?? 0)
            let expected = (0..<n).map { start[$0] + Int64((Double(x[$0]) * 0x1p48).rounded(.toNearestOrEven)) }
            #expect(Array(sums[..<n]) == expected && sums[n] == start[n], "\(n) elements")
            let squares = expected.reduce(0) { $0 + (Double($1) * 0x1p-48) * (Double($1) * 0x1p-48) }
            let error = abs(set.kernels.exact_sum_of_squares(sums, n) - squares)
            worst = max(worst, error == 0 ? 0 : error / (squares * Double(n + 3) * 0x1p-53))
        }
        #expect(worst <= 1, "squares: worst error \(worst) of one rounding for each element")
    }

    @Test(arguments: KernelSet.all) func exactSumsReportWhatTheyCannotHold(_ set: KernelSet) {
        let bad: [(Float, Int32)] = [
            (.nan, 1), (.infinity, 1), (-.infinity, 1), (16_384, 2), (-16_384, 2), (.greatestFiniteMagnitude, 2),
            (16_383, 0), (-16_383, 0), (.leastNonzeroMagnitude, 0),
        ]
        for n in Self.lengths where n > 0 {
            for place in Set([0, n / 2, n - 1]) {
                for (value, flag) in bad {
                    // A sum of the other sign must not hide the summand.
                    for start in [Int64(0), value < 0 ? 1 << 60 : -1 << 60] {
                        var (x, sums) = ([Float](repeating: 0.5, count: n), [Int64](repeating: start, count: n))
                        x[place] = value
                        var most: Float = 0
                        #expect(set.kernels.exact_add(x, &sums, n, &most) == flag, "\(value) at \(place) of \(n)")
                        #expect(most == (flag != 0 ? (n > 1 ? 0.5 : 0) : max(value.magnitude, n > 1 ? 0.5 : 0)))
                    }
                }
            }
        }
    }

    @Test(arguments: KernelSet.all) func dropoutKeepsWhatTheNumbersSay(_ set: KernelSet) {
        var random = Seeded(13)
        let (counter, key) = ([UInt32(9), 8, 7, 6], [UInt32(5), 4])
        let threshold: UInt32 = 0x6000_0000
        let scale: Float = 1.6
        func isKept(_ i: Int) -> Bool {
            var words: [UInt32] = [0, 0, 0, 0]
            ck_philox([UInt32(i / 4), 8, 7, 6], key, &words)
            return words[i % 4] >= threshold
        }
        let kept = (0..<1300).map(isKept)
        for n in Self.lengths {
            let (x, start) = (random.floats(n + 1), random.floats(n + 1))
            var y = start
            set.kernels.dropout(x, &y, n, counter, key, threshold, scale)
            #expect(Array(y[..<n]) == (0..<n).map { kept[$0] ? x[$0] * scale : 0 } && y[n] == start[n], "\(n) elements")
            for first in [0, 1, 2, 3, 4, 5, 255, 256] {
                var sum = start
                set.kernels.dropout_add(x, &sum, first, n, counter, key, threshold, scale)
                #expect(sum[n] == start[n], "wrote beyond \(n) elements")
                for i in 0..<n {
                    if !kept[first + i] {
                        #expect(sum[i] == start[i], "element \(i) of \(n) from \(first) on is dropped")
                        continue
                    }
                    let error = abs(Double(sum[i]) - Double(start[i]) - Double(x[i]) * Double(scale))
                    // A rounding of the product, which is below 2, and one of the sum, which is below 4.
                    #expect(error <= 0x1p-24 + 0x1p-23, "element \(i) of \(n) from \(first) on: error \(error)")
                }
            }
        }
    }

    @Test(arguments: KernelSet.all) func adamW(_ set: KernelSet) {
        var random = Seeded(14)
        var constants = ck_adamw(
            learning_rate: 3e-3, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1, one_minus_beta1: 0.1,
            one_minus_beta2: 1e-3, bias_correction1: 0.271, bias_correction2_root: 0.0547,
            gradient_scale: 0.75 * 0x1p-48)
        // As shares of what the roundings on the way allow, 2⁻²⁴ of what each of them rounds.
        var worst = (value: 0.0, m: 0.0, v: 0.0)
        for n in Self.lengths {
            let sums = (0..<n + 1).map { i in
                i % 9 == 0 ? 0 : Int64.random(in: -1 << 48...1 << 48, using: &random) >> (i % 30)
            }
            let (values0, m0) = (random.floats(n + 1), random.floats(n + 1, in: -0.1...0.1))
            let v0 = random.floats(n + 1, in: 0...0.01)
            var (values, m, v) = (values0, m0, v0)
            set.kernels.adamw_update(&constants, sums, &values, &m, &v, n)
            #expect(values[n] == values0[n] && m[n] == m0[n] && v[n] == v0[n], "wrote beyond \(n) elements")
            for i in 0..<n {
                let g = Double(sums[i]) * constants.gradient_scale
                let change = Double(constants.one_minus_beta1) * (g - Double(m0[i]))
                let first = Double(m0[i]) + change
                let second =
                    Double(constants.beta2) * Double(v0[i]) + Double(constants.one_minus_beta2) * g * g
                let root = second.squareRoot() / Double(constants.bias_correction2_root) + Double(constants.epsilon)
                let rate = Double(constants.learning_rate)
                let step = rate / Double(constants.bias_correction1) * first / root
                let kept = Double(values0[i]) * (1 - rate * Double(constants.weight_decay))
                func error(_ found: Float, _ expected: Double, _ magnitude: Double) -> Double {
                    found.isFinite ? abs(Double(found) - expected) / (magnitude * 0x1p-24) : .infinity
                }
                // The sum is rounded, before it the product and the difference, and first of all the gradient.
                let firstError = abs(first) + 2 * abs(change) + Double(constants.one_minus_beta1) * abs(g)
                worst.m = max(worst.m, error(m[i], first, firstError))
                // The gradient's rounding counts twice, two products' and the sum's once.
                worst.v = max(worst.v, error(v[i], second, 5 * second))
                // Of the value: the decay, the product, the sum. Of the step, beside that of m: half of v's five, then root,
                // two quotients, a product and two sums; the rate is a quotient too.
                let stepError = (firstError / abs(first) + 9.5) * abs(step)
                worst.value = max(worst.value, error(values[i], kept - step, 3 * abs(kept) + stepError))
            }
        }
        #expect(worst.m <= 1 && worst.v <= 1 && worst.value <= 1, "worst shares: \(worst)")
    }
}
