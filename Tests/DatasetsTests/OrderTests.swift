import Testing

@testable import Datasets

@Suite struct OrderTests {
    @Test(arguments: [0, 1, 2, 3, 7, 16, 100, 1001])
    func isAPermutation(count: Int) {
        for epoch in 0..<3 {
            let order = RowOrder(count: count, seed: 42, epoch: epoch)
            #expect((0..<count).map { order[$0] }.sorted() == Array(0..<count))
        }
    }

    /// The order is part of what a seed means: it may not change between versions.
    @Test func isFixed() {
        func order(_ count: Int, _ seed: UInt64, _ epoch: Int) -> [Int] {
            let order = RowOrder(count: count, seed: seed, epoch: epoch)
            return (0..<count).map { order[$0] }
        }
        #expect(order(10, 42, 0) == [1, 9, 7, 6, 2, 8, 4, 0, 5, 3])
        #expect(order(10, 42, 1) == [2, 9, 0, 8, 5, 6, 4, 3, 1, 7])
        #expect(order(10, 43, 0) == [9, 8, 0, 1, 4, 5, 3, 2, 7, 6])
    }

    /// All 24 orders of 4 rows appear about equally often over seeds and epochs: χ² with 23 degrees of freedom stays
    /// below its 99.9 % point, 49.7.
    @Test func ordersAreEquallyLikely() {
        var counts: [[Int]: Int] = [:]
        let draws = 4800
        for draw in 0..<draws {
            let order = RowOrder(count: 4, seed: UInt64(draw % 80), epoch: draw / 80)
            counts[(0..<4).map { order[$0] }, default: 0] += 1
        }
        let expected = Double(draws) / 24
        let chi = counts.values.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(counts.count == 24 && chi < 49.7, "χ² \(chi)")
    }

    /// Every row comes to every place about equally often: χ² with 99·99 degrees of freedom, mean 9801, σ 140.
    @Test func rowsComeEverywhere() {
        let count = 100
        let draws = 2000
        var hits = [Int](repeating: 0, count: count * count)
        for seed in 0..<draws {
            let order = RowOrder(count: count, seed: UInt64(seed), epoch: 0)
            for position in 0..<count { hits[position * count + order[position]] += 1 }
        }
        let expected = Double(draws) / Double(count)
        let chi = hits.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(abs(chi - 9801) < 4 * 140, "χ² \(chi)")
    }

    @Test func everyEpochTrainsEveryRowAndKeepsTheShortBatch() {
        let rows = [3, 5, 8, 9, 11, 20, 21]
        let plan = BatchPlan(rows: rows, batchSize: 3, seed: 1)
        #expect(plan.stepsPerEpoch == 3)
        for epoch in 0..<4 {
            let batches = (0..<3).map { plan.batch(epoch * 3 + $0) }
            #expect(batches.map(\.count) == [3, 3, 1])
            #expect(batches.flatMap { $0 }.sorted() == rows)
            #expect(plan.epoch(of: epoch * 3 + 2) == epoch)
        }
        #expect((0..<3).flatMap { plan.batch($0) } != (3..<6).flatMap { plan.batch($0) })
        let unshuffled = BatchPlan(rows: rows, batchSize: 3, seed: 1, shuffles: false)
        #expect((3..<6).map { unshuffled.batch($0) } == [[3, 5, 8], [9, 11, 20], [21]])
    }

    @Test func heldOutRowsAreASplit() {
        let (training, heldOut) = BatchPlan.heldOut(count: 200, share: 0.05, seed: 7)
        #expect(heldOut.count == 10)
        #expect((training + heldOut).sorted() == Array(0..<200))
        #expect(training == training.sorted() && heldOut == heldOut.sorted())
        #expect(BatchPlan.heldOut(count: 200, share: 0.05, seed: 8).heldOut != heldOut)
        #expect(BatchPlan.heldOut(count: 2, share: 0.01, seed: 7).heldOut.count == 1)
        #expect(BatchPlan.heldOut(count: 2, share: 0.99, seed: 7).training.count == 1)
    }
}
