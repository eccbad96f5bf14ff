import Collectives
import Foundation
import Models
import Testing

@testable import Training

@Suite struct MemoryLimitTests {
    @Test func refusesWhatDoesNotFit() {
        let world = Communicator.alone()
        func refusal(
            _ bytes: Int, ranks: Int, available: Int?, savesAll: Bool = true, parameters: Int = 0
        ) -> String? {
            let need = MemoryNeed(
                scratchBytes: 0, parameters: parameters, baseBytes: 1 << 40, StatePlacement(TrainingConfig(), world),
                world)
            return need.refusal(
                arena: bytes, ranks: ranks, host: "n1", available: available, tokens: 4096, savesAll: savesAll
            )?.description
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
        // However much else is needed.
        #expect(refusal(3 * gibibyte + 1, ranks: 2, available: 6 * gibibyte, parameters: 1 << 30) == text)
        #expect(
            refusal(1 << 40, ranks: 1, available: 0, savesAll: false)
                == "training.micro_batch_tokens: a micro-batch of 4096 tokens needs 1024.00 GiB on n1, where 0.00 GiB are free; "
                + "lower it (or data.max_length, if a single example is that long)")
        let ofTwo = refusal(3 * gibibyte + 1, ranks: 2, available: 6 * gibibyte, savesAll: false) ?? ""
        #expect(ofTwo.hasSuffix("if a single example is that long), or start fewer ranks a node"), "\(ofTwo)")
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

    /// All that a run takes is held against what is free, not only a micro-batch.
    @Test func refusesStatesThatDoNotFit() {
        let world = Communicator.alone()
        let need = MemoryNeed(
            scratchBytes: 100, parameters: 1 << 28, baseBytes: 1 << 40, StatePlacement(TrainingConfig(), world), world)
        // On two ranks twice the sums, and once the moments.
        let all = 2 * (50_000 + 100 + (8 << 28)) + (8 << 28)
        func refusal(_ available: Int?) -> String? {
            need.refusal(arena: 50_000, ranks: 2, host: "n1", available: available, tokens: 64, savesAll: true)?
                .description
        }
        #expect(refusal(all) == nil)
        #expect(refusal(nil) == nil)
        let text = refusal(all - 1) ?? ""
        #expect(
            text.contains(
                "training 268435456 numbers takes 6.00 GiB more on n1, where 6.00 GiB are free: 4.00 GiB for sums")
                && text.contains("on 2 ranks, 2.00 GiB for AdamW's moments") && !text.contains("state_placement")
                && text.hasSuffix(
                    "lower lora.r or train fewer modules, start fewer ranks a node, or lower training.micro_batch_tokens "
                        + "(lora-dist plan tells what a run takes)"),
            "\(text)")
    }

    /// The least of what the kernel says and of what each group on the way to the root leaves, of both versions.
    @Test func limitsOfControlGroups() throws {
        let root = NSTemporaryDirectory() + "limits-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        func write(_ text: String, _ path: String) throws {
            let file = URL(filePath: root + path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        #expect(availableMemory(root: root) == nil)
        try write("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n", "/proc/meminfo")
        #expect(availableMemory(root: root) == 8000 << 10)
        // Of version 2: the task's own group has no limit, that of its job has.
        try write("0::/job/step/task\n", "/proc/self/cgroup")
        try write("max\n", "/sys/fs/cgroup/job/step/task/memory.max")
        try write("10\n", "/sys/fs/cgroup/job/step/task/memory.current")
        try write("3000000\n", "/sys/fs/cgroup/job/memory.max")
        try write("1000000\n", "/sys/fs/cgroup/job/memory.current")
        try write("anon 5\nactive_file 100000\ninactive_file 200000\n", "/sys/fs/cgroup/job/memory.stat")
        #expect(availableMemory(root: root) == 2_300_000)
        // Of version 1, seen from a container whose own folder is the root.
        try write("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n", "/proc/self/cgroup")
        try write("2000000\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        try write("1500000\n", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
        try write(
            "active_file 9\ntotal_active_file 1000\ntotal_inactive_file 2000\n", "/sys/fs/cgroup/memory/memory.stat")
        #expect(availableMemory(root: root) == 503_000)
    }

    /// Before any number of it is written.
    @Test func adaptersThatNoMachineHolds() throws {
        let base = try BaseModel(path: Fixtures.models + "/tied")
        var config = RunConfig()
        config.lora.r = 65_536
        let adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
        #expect(throws: ConfigError.self) { try Session.checkRoom(adapter, available: 1 << 20) }
        #expect(throws: Never.self) { try Session.checkRoom(adapter, available: 1 << 50) }
        #expect(throws: Never.self) { try Session.checkRoom(adapter, available: nil) }
    }
}
