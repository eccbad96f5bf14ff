import CKernels
import Foundation
import KernelSets
import Tensors
import Testing

/// Each C kernel of each instruction set against a plain loop in Double, on every length that leaves a rest behind vectors of
/// 4, 8 or 16.
@Suite struct ElementwiseTests {
    static let lengths = Array(0...70) + [1000]

    /// |found − expected| in units of the last place of a Float of the size of `magnitude`.
    private func ulps(_ found: Float, _ expected: Double, magnitude: Double? = nil) -> Double {
        abs(Double(found) - expected) / Double(Float(magnitude ?? abs(expected)).ulp)
    }

    private func isClose(_ found: Float, _ expected: Double, within: Double, magnitude: Double? = nil) -> Bool {
        ulps(found, expected, magnitude: magnitude) <= within
    }

    @Test(arguments: KernelSet.all) func dotAndMax(_ set: KernelSet) {
        var random = Seeded(1)
        for n in Self.lengths {
            let (a, b) = (random.floats(n), random.floats(n))
            let terms = zip(a, b).map { Double($0) * Double($1) }
            let size = terms.reduce(0) { $0 + abs($1) }
            let dot = set.kernels.dot(a, b, n)
            #expect(isClose(dot, terms.reduce(0, +), within: sumTolerance(n), magnitude: size))
            #expect(set.kernels.max(a, n) == a.max() ?? -.infinity)
            for i in a.indices {
                var spike = a
                spike[i] = 3
                #expect(set.kernels.max(spike, n) == 3)
            }
        }
        #expect(set.kernels.max([-.infinity, -.infinity], 2) == -.infinity)
    }

    /// Every kind of Float: numbers, ties to even both ways, subnormals, overflow to infinity, infinities, NaN.
    @Test(arguments: KernelSet.all) func roundingToBF16(_ set: KernelSet) {
        var random = Seeded(12)
        let special: [UInt32] = [
            0, 0x8000_0000, 0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0x7F7F_FFFF, 0xFF7F_FFFF, 0x7F80_0000,
            0xFF80_0000, 0x7FC0_0000, 0x7F80_0001, 0xFFFF_FFFF, 1, 0x0000_8001, 0x007F_FFFF,
        ]
        for n in Self.lengths {
            let x = (0..<n).map { i in
                Float(
                    bitPattern: i < special.count
                        ? special[(i + n) % special.count] : UInt32(truncatingIfNeeded: random.next()))
            }
            var (y, back) = ([UInt16](repeating: 7, count: n + 1), [Float](repeating: 7, count: n + 1))
            set.kernels.round_bf16(x, &y, n)
            set.kernels.widen_bf16(y, &back, n)
            for i in 0..<n {
                if x[i].isNaN {
                    #expect(back[i].isNaN)
                    continue
                }
                // The two neighbours in bf16; the nearer one, or the even one of two that are as near.
                let low = x[i].bitPattern & 0xFFFF_0000, rest = x[i].bitPattern & 0xFFFF
                let isUp = rest > 0x8000 || (rest == 0x8000 && low & 0x1_0000 != 0)
                #expect(back[i].bitPattern == (isUp ? low + 0x1_0000 : low))
            }
            #expect(y[n] == 7 && back[n] == 7)
        }
    }

    @Test(arguments: KernelSet.all) func scalingAndFirstNonFinite(_ set: KernelSet) {
        var random = Seeded(2)
        for n in Self.lengths {
            let (x, start) = (random.floats(n), random.floats(n + 1))
            var (y, scaled) = (start, start)
            set.kernels.add_scaled(x, 0.3, &y, n)
            set.kernels.scale(&scaled, -1.7, n)
            for i in 0..<n {
                #expect(
                    isClose(y[i], Double(start[i]) + Double(Float(0.3)) * Double(x[i]), within: 1.1, magnitude: 1.3))
                #expect(scaled[i] == start[i] * -1.7)
            }
            #expect(y[n] == start[n] && scaled[n] == start[n])
            #expect(ck_first_non_finite(x, n) == -1)
            for bad in [Float.nan, .infinity, -.infinity] where n > 0 {
                var found = x
                found[n / 2] = bad
                found[n - 1] = bad
                #expect(ck_first_non_finite(found, n) == n / 2)
            }
        }
    }

    @Test(arguments: KernelSet.all) func rmsNorm(_ set: KernelSet) {
        var random = Seeded(3)
        for n in Self.lengths where n > 0 {
            let (x, w, dy, start) = (random.floats(n), random.floats(n), random.floats(n), random.floats(n))
            let epsilon: Float = 1e-5
            var (y, again, dx) = ([Float](repeating: .nan, count: n), [Float](repeating: .nan, count: n), start)
            let r = set.kernels.rms_norm(x, w, epsilon, &y, n)
            set.kernels.rms_norm_again(x, w, r, &again, n)
            set.kernels.rms_norm_backward(dy, x, w, r, &dx, n)
            let squares = x.reduce(0) { $0 + Double($1) * Double($1) }
            let exact = 1 / (squares / Double(n) + Double(epsilon)).squareRoot()
            #expect(isClose(r, exact, within: 4))
            let along = (0..<n).reduce(0.0) { $0 + Double(w[$1]) * Double(dy[$1]) * Double(x[$1]) }
            for i in 0..<n {
                #expect(isClose(y[i], Double(w[i]) * Double(x[i]) * exact, within: 6))
                #expect(isClose(again[i], Double(y[i]), within: 1))
                let expected =
                    Double(start[i]) + exact * Double(w[i]) * Double(dy[i])
                    - along * pow(exact, 3) / Double(n) * Double(x[i])
                #expect(abs(Double(dx[i]) - expected) < 4e-6 * max(1, exact * exact))
            }
        }
    }

    @Test(arguments: KernelSet.all) func swiGLU(_ set: KernelSet) {
        var random = Seeded(4)
        for n in Self.lengths {
            let (g, u, dy) = (random.floats(n, in: -9...9), random.floats(n), random.floats(n))
            var (y, dg, du) = ([Float](repeating: .nan, count: n), g, u)
            set.kernels.swiglu(g, u, &y, n)
            set.kernels.swiglu_backward(dy, &dg, &du, n)
            for i in 0..<n {
                let (gate, up, d) = (Double(g[i]), Double(u[i]), Double(dy[i]))
                let sigmoid = 1 / (1 + exp(-gate))
                #expect(isClose(y[i], gate * sigmoid * up, within: 6))
                #expect(isClose(du[i], d * gate * sigmoid, within: 6))
                let slope = sigmoid * (1 + gate * (1 - sigmoid))
                #expect(isClose(dg[i], d * up * slope, within: 8, magnitude: abs(d * up) * (1 + abs(gate)) * sigmoid))
            }
        }
    }

    @Test(arguments: KernelSet.all) func swiGLUStaysFiniteForGatesOfAnySize(_ set: KernelSet) {
        let g: [Float] = [-1e30, -1000, -89, -88, -87.4, 87, 88, 89, 1000, 1e30, 0, -0.0]
        let (u, dy) = ([Float](repeating: 1, count: g.count), [Float](repeating: 1, count: g.count))
        var (y, dg, du) = (g, g, u)
        set.kernels.swiglu(g, u, &y, g.count)
        set.kernels.swiglu_backward(dy, &dg, &du, g.count)
        for i in g.indices {
            let slope: Float = g[i] > 50 ? 1 : g[i] < -50 ? 0 : 0.5
            #expect(abs(y[i] - max(g[i], 0)) <= 1e-7 && abs(du[i] - max(g[i], 0)) <= 1e-7)
            #expect(abs(dg[i] - slope) <= 1e-7)
        }
    }

    @Test(arguments: KernelSet.all) func rotation(_ set: KernelSet) {
        var random = Seeded(5)
        for n in Self.lengths {
            let (start, angles) = (random.floats(2 * n), random.floats(n, in: -3...3))
            let (cosine, sine) = (angles.map { cos($0) }, angles.map { sin($0) })
            var head = start
            set.kernels.rotate(&head, cosine, sine, 1, n)
            for i in 0..<n {
                let (a, b, angle) = (Double(start[i]), Double(start[n + i]), Double(angles[i]))
                #expect(abs(Double(head[i]) - (a * cos(angle) - b * sin(angle))) < 3e-7)
                #expect(abs(Double(head[n + i]) - (b * cos(angle) + a * sin(angle))) < 3e-7)
            }
            set.kernels.rotate(&head, cosine, sine, -1, n)
            for i in head.indices { #expect(abs(head[i] - start[i]) < 5e-7) }
        }
    }

    @Test(arguments: KernelSet.all) func expSumAndSoftmaxBackward(_ set: KernelSet) {
        var random = Seeded(6)
        for n in Self.lengths {
            let (x, dp) = (random.floats(n, in: -20...20), random.floats(n))
            var p = x
            let sum = set.kernels.exp_sum(&p, 0.5, 2, n)
            let exact = x.map { exp(0.5 * Double($0) - 2) }
            for i in 0..<n { #expect(isClose(p[i], exact[i], within: 12), "the argument is rounded, then its exp") }
            #expect(isClose(sum, exact.reduce(0, +), within: 12 + sumTolerance(n)) || n == 0 && sum == 0)
            var ds = dp
            set.kernels.softmax_backward(p, &ds, 0.25, 0.125, n)
            for i in 0..<n {
                let expected = Double(p[i]) * (Double(dp[i]) - 0.25) * 0.125
                #expect(isClose(ds[i], expected, within: 4, magnitude: Double(p[i]) * 0.16))
            }
        }
    }

    /// The exponential on all of its range: each Float between −87.3 and 88 whose bits are a multiple of 64.
    @Test(arguments: KernelSet.all) func exponentialOnItsWholeRange(_ set: KernelSet) {
        var worst = (ulps: 0.0, at: Float(0))
        for (first, last) in [
            (Float(0).bitPattern, Float(88).bitPattern), (Float(-0.0).bitPattern, Float(-87.3).bitPattern),
        ] {
            let stride = 65_536
            for start in Swift.stride(from: Int(first), through: Int(last), by: stride * 64) {
                let count = min(stride, (Int(last) - start) / 64 + 1)
                let x = (0..<count).map { Float(bitPattern: UInt32(start + 64 * $0)) }
                var found = x
                _ = set.kernels.exp_sum(&found, 1, 0, count)
                for i in x.indices {
                    let error = ulps(found[i], exp(Double(x[i])))
                    if error > worst.ulps { worst = (error, x[i]) }
                }
            }
        }
        #expect(worst.ulps < 2, "worst error: \(worst.ulps) ulps at \(worst.at)")
        var ends: [Float] = [-87.31, -1e30, -.infinity, .nan, 0]
        _ = set.kernels.exp_sum(&ends, 1, 0, 5)
        #expect(Array(ends[..<3]) == [0, 0, 0] && ends[3].isNaN && ends[4] == 1)
    }

    /// One vector's lanes and the rest behind it treat a number alike, so that a row's place does not matter.
    @Test(arguments: KernelSet.all) func placeInTheRowLeavesNoTrace(_ set: KernelSet) {
        var random = Seeded(8)
        let x = random.floats(40, in: -10...10)
        var whole = x
        _ = set.kernels.exp_sum(&whole, 1, 0, 40)
        for i in x.indices {
            var one = [x[i]]
            _ = set.kernels.exp_sum(&one, 1, 0, 1)
            #expect(one[0] == whole[i])
        }
    }
}
