import Testing

@testable import Datasets

@Suite struct SizeTests {
    private let rows =
        "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n{\"prompt\": \"abcdefgh\", \"completion\": \"i\"}\n"

    @Test func truncate() throws {
        let trial = try Trial(rows, options: DataOptions(maxLength: 4))
        #expect(try trial.rows() == ["ab⟦cd⟧", "abcd"])
        let sizes = try trial.dataset.measure(0..<2)
        #expect(
            sizes == [
                ExampleSize(tokens: 4, trained: 2, isTruncated: true),
                ExampleSize(tokens: 4, trained: 0, isTruncated: true, drop: .untrained),
            ])
        #expect(
            DataSummary(sizes).text
                == "1 examples of 2 rows, 1 truncated, 1 dropped without a trained token, 2 of 4 tokens trained, longest 4"
        )
    }

    @Test func drop() throws {
        let trial = try Trial(rows, options: DataOptions(maxLength: 5, longExamples: .drop))
        let sizes = try trial.dataset.measure(0..<2)
        #expect(
            sizes == [
                ExampleSize(tokens: 5, trained: 3, endsTurn: true),
                ExampleSize(tokens: 10, trained: 0, drop: .tooLong),
            ])
        #expect(
            DataSummary(sizes).text
                == "1 examples of 2 rows, 1 dropped as too long, 3 of 5 tokens trained, longest 5")
    }

    @Test func error() {
        #expect(
            Trial.failure(rows, options: DataOptions(maxLength: 5, longExamples: .error))
                == "data.jsonl:2: the example has 10 tokens, more than max_length 5 "
                + "(data.long_examples: truncate or drop lets such rows pass)")
    }

    /// The label of the first token never counts, as no token precedes it.
    @Test func trainedCountsFromTheSecondToken() throws {
        let sizes = try Trial("{\"text\": \"a\"}\n{\"text\": \"\"}").dataset.measure(0..<2)
        #expect(sizes[0] == ExampleSize(tokens: 2, trained: 1, endsTurn: true))
        #expect(sizes[1] == ExampleSize(tokens: 1, trained: 0, drop: .untrained))
    }

    @Test func rowsWithoutAnAssistantAreDropped() throws {
        let trial = try Trial("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}")
        #expect(try trial.dataset.measure(0..<1)[0].drop == .untrained)
    }

    @Test func sizesSurvivePacking() {
        let sizes = [
            ExampleSize(tokens: 0, trained: 0, drop: .untrained), ExampleSize(tokens: 123_456_789, trained: 98_765_432),
            ExampleSize(tokens: 7, trained: 3, isTruncated: true, endsTurn: true),
            ExampleSize(tokens: 2048, trained: 0, drop: .tooLong),
        ]
        #expect(ExampleSize.packed(sizes).count == 48)
        #expect(ExampleSize.unpacked(ExampleSize.packed(sizes)) == sizes)
        #expect(sizes[1].tokens == 123_456_789 && sizes[1].trained == 98_765_432)
        #expect(sizes[2].isTruncated && sizes[2].endsTurn && sizes[2].drop == nil)
    }

    @Test func threadsChangeNothing() throws {
        let text = (0..<1000).map { "{\"text\": \"\(String(repeating: "x", count: $0 % 37))\"}\n" }.joined()
        let dataset = try Trial(text).dataset
        let alone = try dataset.measure(3..<990)
        #expect(alone.count == 987 && alone[5].tokens == 9)
        #expect(try dataset.measure(3..<990, threads: 4) == alone)
    }

    @Test func firstBadRowIsReportedWhateverTheThreads() throws {
        let text = (0..<1000).map { $0 == 300 || $0 == 900 ? "{\n" : "{\"text\": \"x\"}\n" }.joined()
        let trial = try Trial(text)
        for threads in [1, 4] {
            #expect {
                try trial.dataset.measure(0..<1000, threads: threads)
            } throws: { "\($0)".contains("data.jsonl:301: ") }
        }
    }

    @Test func nothingTrainedIsAnError() throws {
        let options = DataOptions(maxLength: 2)
        let sizes = try Trial(rows, options: options).dataset.measure(0..<2)
        #expect {
            try DataSummary(sizes).check(name: "data.train", maxLength: 2)
        } throws: {
            "\($0)"
                == "data.train: no example is left of 2 rows: 2 have no trained token, 0 are longer than max_length 2; "
                + "check data.train_on, data.long_examples and the chat template"
        }
    }

    @Test func noTrainedEndIsAnError() throws {
        let cut = try Trial(rows, options: DataOptions(maxLength: 4)).dataset.measure(0..<2)
        #expect {
            try DataSummary(cut).check(name: "data.train", maxLength: 4)
        } throws: {
            "\($0)"
                == "data.train: no end-of-turn token is trained, so the model would not learn to stop: every example is "
                + "cut at max_length 4 before its end; raise data.max_length"
        }
        let endless = PlainRenderer(ending: { _ in "\n" })
        let sizes = try Trial("{\"instruction\": \"a\", \"output\": \"b\"}", renderer: endless).dataset.measure(0..<1)
        #expect {
            try DataSummary(sizes).check(name: "data.eval", maxLength: 4)
        } throws: {
            "\($0)"
                == "data.eval: no end-of-turn token is trained, so the model would not learn to stop: the chat template "
                + "writes no stop token after the assistant's text; let it write eos_token there"
        }
        try DataSummary(Trial(rows).dataset.measure(0..<2)).check(name: "data.train", maxLength: 1024)
    }
}
