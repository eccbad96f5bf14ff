import Collectives
import Models
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

    /// The first that fits into nine tenths of what is free, beside the base, sums and moments; what the config says is not asked.
    @Test func choosesWhatFits() throws {
        let world = Communicator.alone()
        let need = MemoryNeed(
            scratchBytes: 100, parameters: 1000, baseBytes: 50_000, StatePlacement(TrainingConfig(), world), world)
        let arenas: [Decoder.Checkpointing: Int] = [.none: 30_000, .selective: 20_000, .block: 5000]
        func choice(_ wish: TrainingConfig.ActivationCheckpointing, _ available: Int?) throws -> Decoder.Checkpointing {
            let choice = try need.choose(wish, available: available) { arenas[$0]! }
            #expect(choice.arenaBytes == arenas[choice.kept])
            return choice.kept
        }
        let all = need.nodeBytes(arena: 30_000, ranks: 1)
        #expect(all == 50_000 + 30_000 + 100 + 16_000)
        #expect(need.nodeBytes(arena: 30_000, ranks: 3) == 50_000 + 3 * (30_000 + 100 + 8000) + 8000)
        #expect(try choice(.auto, nil) == .none)
        #expect(try choice(.auto, all * 10 / 9 + 10) == .none)
        #expect(try choice(.auto, all * 10 / 9 - 10) == .selective)
        #expect(try choice(.auto, (all - 10_000) * 10 / 9 - 10) == .block)
        #expect(try choice(.auto, 0) == .block)
        #expect(try choice(.none, 0) == .none && choice(.selective, nil) == .selective)
    }

    @Test func knowsWhatIsFree() throws {
        let free = try #require(availableMemory())
        #expect(free > 1 << 20 && free < 1 << 50, "\(free)")
    }
}
