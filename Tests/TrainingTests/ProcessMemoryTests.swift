import Testing

@testable import Training

@Suite struct ProcessMemoryTests {
    private static let rollup = """
        55d0c0000000-7ffd00000000 ---p 00000000 00:00 0                          [rollup]
        Rss:               10000 kB
        Pss:                7000 kB
        Pss_Anon:           4000 kB
        Pss_Shmem:           750 kB
        Shared_Clean:       3000 kB
        Shared_Dirty:        500 kB
        Private_Clean:      2000 kB
        Private_Dirty:      4500 kB
        Anonymous:          4600 kB
        """

    @Test func readsLinuxsCounts() {
        let memory = ProcessMemory(rollup: Self.rollup, status: "Name:\tlora-dist\nVmHWM:\t   12000 kB\nThreads:\t3\n")
        #expect(memory.privateBytes == 6500 << 10)
        #expect(memory.sharedBytes == 3500 << 10)
        #expect(memory.proportionalBytes == 7000 << 10)
        #expect(memory.anonymousBytes == 4600 << 10)
        #expect(memory.proportionalAnonymousBytes == 4000 << 10 && memory.proportionalSharedBytes == 750 << 10)
        #expect(memory.peakBytes == 12_000 << 10)
        let twice = memory + memory
        #expect(twice.privateBytes == 13_000 << 10 && twice.sharedBytes == 7000 << 10)
        #expect(twice.proportionalBytes == 14_000 << 10 && twice.anonymousBytes == 9200 << 10)
        #expect(twice.peakBytes == 24_000 << 10)
        #expect(twice.proportionalAnonymousBytes == 8000 << 10 && twice.proportionalSharedBytes == 1500 << 10)
        // Older kernels do not tell parts of anonymous memory, which few processes share.
        let old = ProcessMemory(rollup: Self.rollup.replacing("Pss_", with: "Other_"), status: "")
        #expect(old.proportionalAnonymousBytes == 4600 << 10 && old.proportionalSharedBytes == 0)
    }

    @Test func whatIsNotThereCountsNothing() {
        let none = ProcessMemory(rollup: "", status: "VmHWM: many kB")
        #expect(none.privateBytes == 0 && none.peakBytes == 0)
    }

    /// 64 MiB that are written to are seen.
    @Test func seesThisProcess() throws {
        let before = ProcessMemory.own()
        let block = [UInt8](repeating: 1, count: 64 << 20)
        let after = withExtendedLifetime(block) { ProcessMemory.own() }
        #expect(after.anonymousBytes >= 60 << 20 && after.privateBytes >= 60 << 20)
        #expect(after.peakBytes >= 60 << 20 && after.peakBytes >= before.peakBytes)
        #expect(try #require(availableMemory()) > 1 << 20)
    }
}
