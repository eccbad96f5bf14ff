import Foundation
import Tensors
import Testing

@Suite struct PrincipalFactorsTests {
    /// A matrix (rows, columns) of these singular values, by random rotations in planes of both sides.
    private func matrix(_ rows: Int, _ columns: Int, _ values: [Double]) -> [Float] {
        var random = SystemlessRandom(seed: UInt64(rows * 1000 + columns))
        var w = [Double](repeating: 0, count: rows * columns)
        for (i, value) in values.enumerated() { w[i * columns + i] = value }
        func turn(_ first: Int, _ second: Int, _ count: Int, _ stride: Int, _ angle: Double) {
            let (c, s) = (angle, (1 - angle * angle).squareRoot())
            for k in 0..<count {
                let (x, y) = (w[first + k * stride], w[second + k * stride])
                (w[first + k * stride], w[second + k * stride]) = (c * x - s * y, s * x + c * y)
            }
        }
        for _ in 0..<6 * max(rows, columns) {
            let (i, j) = (random.index(rows), random.index(rows))
            if i != j { turn(i * columns, j * columns, columns, 1, random.number()) }
            let (k, l) = (random.index(columns), random.index(columns))
            if k != l { turn(k, l, rows, columns, random.number()) }
        }
        return w.map(Float.init)
    }

    private struct SystemlessRandom {
        var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state = CounterRandom.mix(state)
            return state
        }
        mutating func index(_ count: Int) -> Int { Int(next() % UInt64(count)) }
        mutating func number() -> Double { Double(next() >> 11) * 0x1p-53 }
    }

    private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// ‖W − scale · b a‖.
    private func rest(_ weight: StoredMatrix, _ a: [Float], _ b: [Float], rank: Int, scale: Double) -> Double {
        let (w, columns) = (weight.values, weight.columns)
        var rest: [Double] = []
        for row in 0..<weight.rows {
            for column in 0..<columns {
                var sum = Double(w[row * columns + column])
                for i in 0..<rank { sum -= scale * Double(b[row * rank + i]) * Double(a[i * columns + column]) }
                rest.append(sum)
            }
        }
        return norm(rest)
    }

    /// What is left of W is what the singular values that are left out make up, and each row of A and column of B has half of its
    /// singular value.
    @Test(arguments: [(9, 30), (30, 9), (17, 17), (300, 40), (40, 300), (1, 12), (12, 1)], [1, 4, 9])
    func takesOffThePrincipalPart(_ shape: (Int, Int), _ rank: Int) throws {
        let (rows, columns) = shape
        let count = min(rows, columns)
        guard rank <= count else { return }
        let singular: [Double] = (0..<count).map { 4 * pow(0.7, Double($0)) }
        let weight = StoredMatrix(rows: rows, columns: columns, values: matrix(rows, columns, singular))
        let scale = 0.5
        for method in [
            PrincipalMethod.exact, .iterated(16, CounterRandom(seed: 1, purpose: 2)),
        ] {
            let (a, b) = try principalFactors(of: weight, rank: rank, scale: scale, method: method)
            let expected = norm(Array(singular[rank...]))
            let found = rest(weight, a, b, rank: rank, scale: scale)
            #expect(abs(found - expected) < 1e-5, "\(shape), rank \(rank): \(found), expected \(expected)")
            for i in 0..<rank {
                let half = (singular[i] / scale).squareRoot()
                let row = norm((0..<columns).map { Double(a[i * columns + $0]) })
                let column = norm((0..<rows).map { Double(b[$0 * rank + i]) })
                #expect(abs(row - half) < 2e-4 && abs(column - half) < 2e-4, "\(i): \(row), \(column), \(half)")
            }
            let again = try principalFactors(of: weight, rank: rank, scale: scale, method: method)
            #expect(again.a == a && again.b == b)
        }
    }

    @Test func fewPowerIterationsAreCoarser() throws {
        let weight = StoredMatrix(rows: 60, columns: 80, values: matrix(60, 80, (0..<60).map { 1 / Double($0 + 1) }))
        func left(_ method: PrincipalMethod) throws -> Double {
            let (a, b) = try principalFactors(of: weight, rank: 6, scale: 2, method: method)
            return rest(weight, a, b, rank: 6, scale: 2)
        }
        let random = CounterRandom(seed: 5, purpose: 6)
        let methods: [PrincipalMethod] = [.iterated(0, random), .iterated(1, random), .iterated(20, random), .exact]
        let rests = try methods.map(left)
        #expect(rests[0] > rests[1] && rests[1] > rests[2] && abs(rests[2] - rests[3]) < 1e-3, "\(rests)")
        #expect(rests[0] < 2 * rests[3], "\(rests)")
    }

    /// Nothing is divided by a singular value of zero.
    @Test func matricesOfLowRank() throws {
        for singular in [[3.0], [0.0]] {
            let weight = StoredMatrix(rows: 8, columns: 20, values: matrix(8, 20, singular))
            for method in [PrincipalMethod.exact, .iterated(2, CounterRandom(seed: 1, purpose: 2))] {
                let (a, b) = try principalFactors(of: weight, rank: 3, scale: 1, method: method)
                #expect((a + b).allSatisfy { $0.isFinite })
                let found = rest(weight, a, b, rank: 3, scale: 1)
                #expect(found < 1e-5, "\(singular): \(found)")
            }
        }
    }

    @Test func normsOfRows() {
        var random = SystemlessRandom(seed: 4)
        func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.number() - 0.5) } }
        for (rows, columns) in [(3, 7), (130, 300), (65, 2500)] {
            let weight = StoredMatrix(rows: rows, columns: columns, values: floats(rows * columns))
            var layout = ParameterLayout()
            for (index, rank) in [4, 2].enumerated() {
                _ = layout.append("a\(index)", rows: rank, columns: columns)
                _ = layout.append("b\(index)", rows: rows, columns: rank)
            }
            _ = layout.append("norms", rows: 1, columns: rows)
            let slab = ParameterSlab(layout)
            for entry in 0..<4 { slab[entry].copy(from: floats(layout.entries[entry].count)) }
            let updates = [
                LowRankUpdate(a: slab[0], b: slab[1], scale: 0.5), LowRankUpdate(a: slab[2], b: slab[3], scale: -2),
            ]
            var results: [[Float]] = []
            for count in 1...3 {
                let workers = Workers(count: count)
                rowNorms(of: weight, adding: updates, into: slab[4], on: workers)
                results.append(slab[4].elements)
                workers.stop()
            }
            #expect(results[1] == results[0] && results[2] == results[0])
            let w = weight.values
            for row in 0..<rows {
                var changed: [Double] = []
                for column in 0..<columns {
                    var sum = Double(w[row * columns + column])
                    for update in updates {
                        for i in 0..<update.a.rows {
                            sum += Double(update.scale) * Double(update.b[row, i]) * Double(update.a[i, column])
                        }
                    }
                    changed.append(sum)
                }
                #expect(abs(Double(results[0][row]) / norm(changed) - 1) < 1e-5)
            }
        }
    }
}
