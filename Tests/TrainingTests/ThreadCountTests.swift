import Testing

@testable import Training

/// Threads of a rank without oversubscription.
@Suite struct ThreadCountTests {
    @Test func masksAreCounted() {
        #expect(AffinityMask(text: "ff").cores(ofNode: 64) == 8)
        #expect(AffinityMask(text: "00000000,00000003").cores(ofNode: 64) == 2)
        #expect(AffinityMask(text: "ffffffff").cores(ofNode: 4) == 4)
        #expect(AffinityMask(text: "").cores(ofNode: 4) == 4)
        #expect(AffinityMask.own().cores() >= 1)
    }

    @Test func ranksShareTheCoresTheyHaveInCommon() {
        func share(_ nodes: [Int], _ masks: [String]) -> [Int] {
            let masks = masks.map(AffinityMask.init(text:))
            return nodes.indices.map {
                threadShare(rank: $0, nodes: nodes, masks: masks, cores: masks[$0].cores(ofNode: 64))
            }
        }
        // All of a node for both; a half of it for each; one core for each; more ranks than cores; two nodes.
        #expect(share([0, 0], ["ff", "ff"]) == [4, 4])
        #expect(share([0, 0], ["0f", "f0"]) == [4, 4])
        #expect(share([0, 0], ["1", "2"]) == [1, 1])
        #expect(share([0, 0, 0], ["3", "3", "3"]) == [1, 1, 1])
        #expect(share([0, 1, 1], ["ff", "ff", "ff"]) == [8, 4, 4])
    }
}
