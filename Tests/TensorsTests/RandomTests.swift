import CKernels
import Tensors
import Testing

@Suite struct RandomTests {
    /// The known answers that Random123 publishes for philox4x32-10.
    @Test(
        arguments: [
            ([0, 0, 0, 0], [0, 0], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            (
                [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [0xFFFF_FFFF, 0xFFFF_FFFF],
                [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
            ),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])]) func philoxGivesKnownAnswers(
            _ counter: [UInt32], _ key: [UInt32], _ answer: [UInt32]
        )
    {
        var out: [UInt32] = [0, 0, 0, 0]
        ck_philox(counter, key, &out)
        #expect(out == answer)
    }

    @Test func streamsDifferBySeedAndPurpose() {
        let streams = [(1, 1), (1, 2), (2, 1), (2, 2)].map { CounterRandom(seed: $0.0, purpose: $0.1) }
        let numbers = streams.flatMap { stream in (0..<100).map { stream.uniform($0) } }
        #expect(Set(numbers).count > 390)
        #expect(streams[0].block(1, 2, 3, 4) == CounterRandom(seed: 1, purpose: 1).block(1, 2, 3, 4))
        #expect(streams[0].block(1, 2, 3, 4) != streams[0].block(1, 2, 4, 3))
    }

    @Test func uniformIsUniform() {
        let random = CounterRandom(seed: 9, purpose: 4)
        let count = 100_000
        let numbers = (0..<count).map { Double(random.uniform($0)) }
        #expect(numbers.allSatisfy { $0 >= 0 && $0 < 1 })
        let mean = numbers.reduce(0, +) / Double(count)
        let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        #expect(abs(mean - 0.5) < 5 * (1 / 12.0 / Double(count)).squareRoot())
        #expect(abs(variance - 1 / 12.0) < 0.002)
        #expect(random.uniform(1 << 34) != random.uniform(0))
    }
}

@Suite struct DropoutTests {
    private func mask(_ probability: Double, examples: [UInt32], positions: [UInt32], step: Int = 3) -> DropoutMask {
        DropoutMask(
            probability: probability, seed: 42, purpose: 7, step: step,
            tokens: DropoutMask.TokenKeys(examples: examples, positions: positions))
    }

    @Test(arguments: [0.0, 0.05, 0.1, 0.5, 0.9]) func keepsTheRightShare(_ probability: Double) {
        let (rows, columns) = (64, 1003)
        let keys = (0..<UInt32(rows)).map { $0 }
        let arena = Arena(bytes: 2 * rows * columns * 4 + 4096)
        let (x, y) = (arena.matrix(rows, columns), arena.poisoned(rows, columns))
        x.fill(1)
        _ = checkSameForAllWorkers { workers in
            mask(probability, examples: keys, positions: keys).apply(x, into: y, on: workers)
            return bits(y)
        }
        let found = y.elements
        let kept = Float(1 / (1 - probability))
        #expect(found.allSatisfy { $0 == 0 || $0 == kept })
        let count = Double(rows * columns)
        let share = Double(found.count { $0 != 0 }) / count
        let deviation = (probability * (1 - probability) / count).squareRoot()
        #expect(abs(share - (1 - probability)) <= 5 * deviation)
        // Every column and row is hit: the mean of each is within 6 deviations.
        for row in 0..<rows where probability > 0 {
            let share = Double((0..<columns).count { y[row, $0] != 0 }) / Double(columns)
            #expect(
                abs(share - (1 - probability)) < 6 * (probability * (1 - probability) / Double(columns)).squareRoot())
        }
    }

    @Test func dependsOnExamplePositionStepOnly() {
        let columns = 301
        let arena = Arena(bytes: 1 << 16)
        let workers = Workers(count: 1)
        /// The kept features of each token.
        func kept(_ examples: [UInt32], _ positions: [UInt32], step: Int = 3) -> [[Bool]] {
            let (x, y) = (arena.matrix(examples.count, columns), arena.poisoned(examples.count, columns))
            defer { arena.reset() }
            x.fill(1)
            mask(0.3, examples: examples, positions: positions, step: step).apply(x, into: y, on: workers)
            return (0..<examples.count).map { t in (0..<columns).map { y[t, $0] != 0 } }
        }
        let together = kept([5, 5, 5, 9, 9], [0, 1, 2, 0, 1])
        #expect(Set(together).count == 5)
        #expect(
            kept([9, 9, 5, 5, 5], [0, 1, 0, 1, 2]) == [together[3], together[4], together[0], together[1], together[2]])
        #expect(kept([5], [2]) == [together[2]])
        #expect(kept([5], [2], step: 4) != [together[2]])
    }

    /// What the forward pass drops is what the backward pass drops, whatever tile a feature falls into.
    @Test(arguments: [1, 3, 4, 5, 255, 256, 257, 258, 513, 2049]) func appliesAndAddsTheSame(_ columns: Int) {
        var random = Seeded(UInt64(columns))
        let (tokens, rank) = (19, 3)
        let arena = Arena(bytes: (tokens * (4 * columns + rank) + rank * columns) * 4 + 8192)
        let keys = (0..<UInt32(tokens)).map { $0 * 3 }
        let mask = mask(0.25, examples: keys, positions: keys)
        let dHidden = arena.matrix(tokens, rank, random.floats(tokens * rank))
        let a = arena.matrix(rank, columns, random.floats(rank * columns))
        let before = random.floats(tokens * columns)
        _ = checkSameForAllWorkers { workers in
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let (product, dropped) = (arena.poisoned(tokens, columns), arena.poisoned(tokens, columns))
            gemm(dHidden, a, into: product, on: workers)
            mask.apply(product, into: dropped, on: workers)
            let (fresh, added) = (arena.poisoned(tokens, columns), arena.matrix(tokens, columns, before))
            multiplyBackward([], lowRank: (dHidden, a), mask: mask, into: fresh, accumulate: false, on: workers)
            multiplyBackward([], lowRank: (dHidden, a), mask: mask, into: added, accumulate: true, on: workers)
            for (i, expected) in dropped.elements.enumerated() {
                let (row, column) = (i / columns, i % columns)
                // Sums of three products: a few units of 2⁻²⁴ of numbers below 4.
                #expect((fresh[row, column] == 0) == (expected == 0))
                #expect(abs(fresh[row, column] - expected) < 1e-6)
                #expect(abs(added[row, column] - before[i] - expected) < 2e-6)
            }
            return bits(fresh) + bits(added)
        }
    }
}
