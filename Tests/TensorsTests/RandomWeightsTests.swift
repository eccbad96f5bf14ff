import Tensors
import Testing

@Suite struct RandomWeightsTests {
    private func values(_ index: Int, seed: UInt64 = 1, workers: Int = 1) -> [Float] {
        RandomWeights(seed: seed).matrix(rows: 300, columns: 250, index: index, on: Workers(count: workers)).values
    }

    @Test func meanAndDeviation() {
        let values = values(1).map(Double.init)
        let mean = values.reduce(0, +) / Double(values.count)
        let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
        #expect(abs(mean) < 0.0005, "\(mean)")
        #expect(abs(deviation - 0.02) < 0.0005, "\(deviation)")
    }

    @Test func differByIndexSeedAndRowAlone() {
        #expect(values(1) == values(1, workers: 2))
        #expect(values(1) != values(2))
        #expect(values(1) != values(1, seed: 2))
        let all = values(1)
        let rows = (0..<300).map { Array(all[$0 * 250..<($0 + 1) * 250]) }
        #expect(Set(rows).count == 300)
    }

    @Test func liesInBF16() {
        let matrix = RandomWeights(seed: 1).matrix(rows: 3, columns: 5, index: 0, on: Workers(count: 1))
        #expect(matrix.format == .bf16 && matrix.byteCount == 30)
        #expect(matrix.values.allSatisfy { $0.bitPattern & 0xFFFF == 0 })
    }
}
