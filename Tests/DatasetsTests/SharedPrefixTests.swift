import Testing

@testable import Datasets

@Suite struct SharedPrefixTests {
    /// Distinct tokens that name the stretch they are from.
    private func stretch(_ name: Int, _ count: Int) -> [Int32] { (0..<count).map { Int32(1000 * name + $0) } }

    /// Examples that begin with `prefix` and go on with so many tokens of their own.
    private func examples(_ prefix: [Int32], _ counts: Range<Int>, from name: Int) -> [[Int32]] {
        counts.enumerated().map { prefix + stretch(name + $0.offset, $0.element) }
    }

    @Test func whatAllBeginWith() {
        let prefix = stretch(1, 20)
        let found = SharedPrefixes(sample: examples(prefix, 1..<40, from: 2))
        #expect(found.tokens == [prefix])
        #expect(found.label(prefix + [5]) == ExampleSize.Prefix(index: 0, tokens: 20))
        #expect(found.label(prefix) == nil, "an example is longer than its prefix")
        #expect(found.label(stretch(2, 30)) == nil && found.label([]) == nil)
    }

    @Test func shortOnesDoNotPay() {
        #expect(SharedPrefixes(sample: examples(stretch(1, 15), 1..<40, from: 2)) == .none)
        #expect(SharedPrefixes(sample: examples(stretch(1, 16), 1..<40, from: 2)).tokens.count == 1)
        #expect(SharedPrefixes(sample: examples(stretch(1, 16), 1..<2, from: 2)) == .none, "one example shares nothing")
        #expect(SharedPrefixes(sample: []) == .none)
    }

    /// Equal rows share all but their last token; an example has at least one of its own.
    @Test func equalRows() {
        let row = stretch(1, 30)
        let found = SharedPrefixes(sample: [row, row, row])
        #expect(found.tokens == [Array(row[..<29])])
        #expect(found.label(row) == ExampleSize.Prefix(index: 0, tokens: 29))
    }

    /// Two prompts, one of which most rows have; half of these go on with the same worked examples.
    @Test func nestedOnesCountForWhatTheySaveMore() {
        let (common, longer, other) = (stretch(1, 100), stretch(1, 100) + stretch(2, 80), stretch(3, 40))
        let sample =
            examples(common, 1..<16, from: 10) + examples(longer, 1..<30, from: 30) + examples(other, 1..<16, from: 70)
        let found = SharedPrefixes(sample: sample.reversed())
        #expect(Set(found.tokens) == [common, longer, other])
        #expect(found.label(longer + [1])?.tokens == 180)
        #expect(found.label(longer)?.tokens == 100)
        #expect(found.label(common + stretch(2, 79))?.tokens == 100)
        #expect(found.label(other + [1])?.tokens == 40)
    }

    /// Two of many rows that happen to begin alike for longer stay with the others.
    @Test func aRareLongerOneDoesNotSplitTheRest() {
        let common = stretch(1, 100)
        let pair = common + stretch(2, 20)
        let found = SharedPrefixes(sample: examples(common, 1..<50, from: 10) + examples(pair, 1..<3, from: 70))
        #expect(found.tokens == [common])
        #expect(found.label(pair + [1])?.tokens == 100)
    }

    @Test func keepsTheEightThatSaveMost() {
        let sample = (1...12).flatMap { examples(stretch($0, 20 + $0), 1..<6, from: 20 + 10 * $0) }
        let found = SharedPrefixes(sample: sample)
        #expect(found.tokens.map(\.count) == [32, 31, 30, 29, 28, 27, 26, 25])
    }

    @Test func sizesCarryPrefixes() {
        let sizes = [
            ExampleSize(tokens: 40, trained: 3),
            ExampleSize(tokens: 40, trained: 3, prefix: .init(index: 0, tokens: 16)),
            ExampleSize(
                tokens: 123_456_789, trained: 4, isTruncated: true, endsTurn: true, drop: .tooLong,
                prefix: .init(index: 14, tokens: 123_456_788)),
        ]
        let unpacked = ExampleSize.unpacked(ExampleSize.packed(sizes))
        #expect(unpacked == sizes && unpacked[0] != unpacked[1])
        #expect(unpacked.map(\.prefix) == [nil, .init(index: 0, tokens: 16), .init(index: 14, tokens: 123_456_788)])
        #expect(unpacked[2].drop == .tooLong && unpacked[2].isTruncated && unpacked[2].endsTurn)
    }

    /// Rows of a file: all but each tenth begin with the same text; one cannot be read.
    @Test func rowsOfAFile() throws {
        let prompt = "Answer in one word, and in the tone of the sea."
        let rows = (0..<300).map { row in
            let text = row % 10 == 9 ? "\(row) stands alone with its text" : prompt + " \(row * 7919) is what it is"
            return "{\"text\": \"\(text)\"}\n"
        }
        let dataset = try Trial(rows.joined()).dataset
        let prefixes = dataset.sharedPrefixes()
        #expect(prefixes.tokens == [Array((prompt + " ").utf8).map(Int32.init)])
        let sizes = try dataset.measure(0..<300, prefixes: prefixes)
        for (row, size) in sizes.enumerated() {
            #expect(size.prefix == (row % 10 == 9 ? nil : .init(index: 0, tokens: prompt.utf8.count + 1)))
        }
        #expect(try dataset.measure(0..<300, prefixes: prefixes, threads: 3) == sizes)
        #expect(
            try dataset.measure(0..<100, prefixes: prefixes) + dataset.measure(100..<300, prefixes: prefixes) == sizes)
        #expect(try dataset.measure(0..<300).allSatisfy { $0.prefix == nil })

        let spoiled = try Trial("{\"text\": \"a\"}\n{\n" + rows.joined()).dataset
        #expect(spoiled.sharedPrefixes().tokens.count == 1, "a row that cannot be read is for measure to tell of")
    }

    /// A row cut to less than the prefix does not have it.
    @Test func truncatedRows() throws {
        let rows = (0..<40).map { "{\"text\": \"\(String(repeating: "x", count: 20))\($0 % 10)\($0)\"}\n" }.joined()
        #expect(try Trial(rows).dataset.sharedPrefixes().tokens.map(\.count).max() ?? 0 >= 20)
        #expect(try Trial(rows, options: DataOptions(maxLength: 16)).dataset.sharedPrefixes() == .none)
    }

    // MARK: Cutting

    private func item(_ tokens: Int, _ index: Int?, _ length: Int = 200) -> MicroBatches.Item {
        (tokens, index.map { ExampleSize.Prefix(index: $0, tokens: length) })
    }

    @Test func prefixesCountOnce() {
        #expect(MicroBatches.tokens(of: [item(300, 0), item(250, 0), item(90, nil)]) == 440)
        #expect(MicroBatches.tokens(of: [item(300, 0), item(250, 1), item(210, 1)]) == 560)
        // 800 tokens alone, 200 + 4 · 50 together: one piece of at most 400.
        let alike = [item(250, 0), item(250, 0), item(250, 0), item(250, 0)]
        #expect(MicroBatches.cut(alike, limit: 400, atLeast: 1) == [[0, 1, 2, 3]])
        #expect(MicroBatches.cut(alike, limit: 399, atLeast: 1) == [[0, 2], [1, 3]])
        #expect(MicroBatches.cut(alike, limit: 100, atLeast: 1).count == 4)
    }

    /// Each prefix is computed in one piece only where that balances.
    @Test func examplesGoWhereTheirPrefixIs() {
        let mixed = (0..<8).map { item(250, $0 % 2) }
        #expect(MicroBatches.cut(mixed, limit: 2048, atLeast: 2) == [[0, 2, 4, 6], [1, 3, 5, 7]])
    }

    @Test func rulesHoldForManyBatches() {
        var state: UInt64 = 7
        func draw(_ bound: Int) -> Int {
            state = mixed(state)
            return Int(state % UInt64(bound))
        }
        for _ in 0..<300 {
            let lengths = (0..<4).map { _ in 16 + draw(400) }
            let items = (0..<1 + draw(40)).map { _ in
                let index = draw(5)
                return index == 4
                    ? item(1 + draw(300), nil) : item(lengths[index] + 1 + draw(300), index, lengths[index])
            }
            let (limit, atLeast) = (500 + draw(2000), 1 + draw(8))
            let cut = MicroBatches.cut(items, limit: limit, atLeast: atLeast)
            #expect(cut.flatMap { $0 }.sorted() == Array(items.indices))
            for piece in cut {
                #expect(!piece.isEmpty && piece == piece.sorted())
                #expect(piece.count == 1 || MicroBatches.tokens(of: piece.map { items[$0] }) <= limit)
            }
            #expect(cut.count >= min(items.count, atLeast))
        }
    }
}
