import Testing

@testable import Training

@Suite struct MemoryLimitTests {
    @Test func refusesWhatDoesNotFit() {
        func refusal(_ bytes: Int, ranks: Int, available: Int?, savesAll: Bool = true) -> String? {
            memoryRefusal(
                bytes, ranks: ranks, host: "n1", available: available, tokens: 4096, savesAll: savesAll)?.description
        }
        let gibibyte = 1 << 30
        #expect(refusal(3 * gibibyte, ranks: 2, available: 6 * gibibyte) == nil)
        #expect(refusal(3 * gibibyte, ranks: 2, available: nil) == nil)
        let text = refusal(3 * gibibyte + 1, ranks: 2, available: 6 * gibibyte)
        #expect(
            text
                == "training.micro_batch_tokens: a micro-batch of 4096 tokens needs 3.00 GiB on each of 2 ranks of n1, "
                + "where 6.00 GiB are free; lower it (or data.max_length, if a single example is that long), start fewer "
                + "ranks a node, or set training.activation_checkpointing: block")
        #expect(refusal(1 << 40, ranks: 1, available: 0, savesAll: false)?.contains("checkpointing") == false)
    }

    @Test func knowsWhatIsFree() throws {
        let free = try #require(availableMemory())
        #expect(free > 1 << 20 && free < 1 << 50, "\(free)")
    }
}
