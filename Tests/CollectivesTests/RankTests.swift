import Collectives
import Foundation
import Testing

/// One communicator for the whole test process: MPI starts with the first test and ends with the process, which may
/// leave from a thread of its own when no test runs any more.
private enum World {
    nonisolated(unsafe) static let communicator: Result<Communicator, any Error> = Result {
        let communicator = try Communicator.ofThisLaunch()
        atexit { try? World.communicator.get().finish() }
        return communicator
    }
}

/// A value that any rank can compute for itself: 64 mixed bits of an item's number and an element's number.
private func value(item: Int, element: Int) -> Int64 {
    var bits = UInt64(item) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(element) &* 0xD1B5_4A32_D192_ED03
    bits ^= bits >> 31
    bits = bits &* 0x94D0_49BB_1331_11EB
    return Int64(bitPattern: bits ^ (bits >> 29))
}

/// What every rank must see, on any number of ranks: run as one process alone by `swift test`, and on 1 to 4 ranks
/// by `LaunchTests`.
@MainActor @Suite(.serialized)
struct RankTests {
    let world: Communicator

    init() throws { world = try World.communicator.get() }

    @Test func ranksAndHostsAreThoseOfTheLaunch() throws {
        let launch = LaunchEnvironment.current
        #expect(world.rank == launch?.rank ?? 0)
        #expect(world.size == launch?.size ?? 1)
        #expect(world.localRank == launch?.localRank ?? 0)
        #expect(world.localSize == launch?.localSize ?? 1)
        #expect(world.hostNames == Array(repeating: world.hostName, count: world.size))
        #expect(!world.hostName.isEmpty)
        #expect(try world.allGather([world.rank]) == (0..<world.size).map { [$0] })
        // The tests' ranks are all of one node.
        #expect(world.nodes == Array(repeating: 0, count: world.size))
    }

    /// Each rank writes a part of what all ranks of the node read, over several rounds; then rank 0's bytes take its place.
    @Test func nodeMemory() throws {
        let count = 100_003
        let memory = try #require(try world.makeNodeMemory(byteCount: count * 8))
        #expect(memory.bytes.count >= count * 8 && memory.bytes.allSatisfy { $0 == 0 })
        try world.nodeBarrier()
        let words = memory.bytes.bindMemory(to: Int64.self)
        for round in 0..<3 {
            for element in stride(from: world.localRank, to: count, by: world.localSize) {
                words[element] = value(item: round, element: element)
            }
            try world.nodeBarrier()
            #expect((0..<count).allSatisfy { words[$0] == value(item: round, element: $0) })
            #expect(try world.nodeMax(Int64(world.localRank)) == Int64(world.localSize - 1))
        }
        if world.rank == 0 { words[count - 1] = 7 }
        try world.broadcastToNodes(UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<(count * 8)]))
        #expect(words[count - 1] == 7 && words[1] == value(item: 2, element: 1))
        try world.nodeBarrier()
    }

    /// Twelve items, each a term of every element, dealt to the ranks: the sums are those of all twelve.
    @Test(arguments: [0, 1, 1000, 2 * (16 << 20) / 8 + 5])
    func sumsAreTheSameBitsForAnySplit(count: Int) throws {
        let items = count > 1000 ? 4 : 12
        var sums = [Int64](repeating: 0, count: count)
        var expected = sums
        sums.withUnsafeMutableBufferPointer { sums in
            expected.withUnsafeMutableBufferPointer { expected in
                for item in 0..<items {
                    let mine = item % world.size == world.rank
                    for element in 0..<count {
                        let term = value(item: item, element: element)
                        expected[element] &+= term
                        if mine { sums[element] &+= term }
                    }
                }
            }
        }
        let secondsWaiting = try sums.withUnsafeMutableBufferPointer { try world.allReduceExact($0) }
        #expect(sums == expected)
        #expect(secondsWaiting >= 0)
    }

    @Test func smallSumsAndLargestValues() throws {
        let size = Int64(world.size)
        let rank = Int64(world.rank)
        var sums: [Int64] = [1, rank, -rank, Int64.max / 8]
        try world.allReduceSum(&sums)
        #expect(sums == [size, size * (size - 1) / 2, -size * (size - 1) / 2, size * (Int64.max / 8)])

        var largest: [Int64] = [rank, -rank, .min]
        try world.allReduceMax(&largest)
        #expect(largest == [size - 1, 0, .min])

        var numbers: [Double] = [0.5 * Double(rank), -Double(rank), -.infinity]
        try world.allReduceMax(&numbers)
        #expect(numbers == [0.5 * Double(size - 1), 0, -.infinity])

        var none: [Int64] = []
        try world.allReduceSum(&none)
        #expect(none.isEmpty)
    }

    @Test func broadcastFromEveryRank() throws {
        for root in 0..<world.size {
            let sent: [UInt8] = world.rank == root ? Array("from rank \(root)".utf8) : [0xFF]
            #expect(try world.broadcast(sent, from: root) == Array("from rank \(root)".utf8))
        }
        #expect(try world.broadcast([UInt8]()).isEmpty)
        #expect(try world.broadcast(world.rank == 0 ? [1.5, -0.25] : []) == [1.5, -0.25])
    }

    @Test func broadcastOnNode() throws {
        let first = try world.nodeMax(world.localRank == 0 ? Int64(world.rank) : -1)
        let sent = world.localRank == 0 ? [Int64](repeating: 7, count: world.rank + 3) : [1, 2]
        #expect(try world.broadcastOnNode(sent) == [Int64](repeating: 7, count: Int(first) + 3))
        #expect(try world.broadcastOnNode([UInt8]()).isEmpty)
    }

    @Test func broadcastOfMoreThanOnePiece() throws {
        let count = 2 * (16 << 20) / 8 + 3
        let expected = (0..<count).map { $0 &* 0x5851_F42D }
        let root = world.size - 1
        #expect(try world.broadcast(world.rank == root ? expected : [], from: root) == expected)
    }

    @Test func raggedGather() throws {
        let expected = (0..<world.size).map { rank in (0..<rank * 3).map { Int32(rank * 100 + $0) } }
        #expect(try world.allGather(expected[world.rank]) == expected)
        let last = (0..<world.size).map { $0 == world.size - 1 ? [UInt8](7...9) : [] }
        #expect(try world.allGather(last[world.rank]) == last)
        #expect(try world.allGather([UInt8]()) == Array(repeating: [], count: world.size))
    }

    @Test func raggedGatherOfMoreThanOnePiece() throws {
        let expected = (0..<world.size).map { rank in
            (0..<((17 << 20) / 8 / (rank + 1) + rank)).map { Int64($0 * 8 + rank) }
        }
        #expect(try world.allGather(expected[world.rank]) == expected)
    }

    @Test func waitingIsMeasured() throws {
        try world.barrier()
        let late = world.rank == world.size - 1
        if late { Thread.sleep(forTimeInterval: 0.4) }
        var values: [Int64] = [1]
        let seconds = try values.withUnsafeMutableBufferPointer { try world.allReduceExact($0) }
        #expect(values == [Int64(world.size)])
        if !late { #expect(seconds > 0.2 && seconds < 5) }
        if world.size == 1 { #expect(seconds < 0.2) }
    }

    /// A call that MPI refuses is an error that says which call it was and why.
    @Test(.enabled(if: ranksExpected(), "one process alone calls nothing that can fail"))
    func aFailedCallIsThrown() throws {
        let error = #expect(throws: MPIError.self) { try world.broadcast([UInt8](), from: world.size) }
        #expect(error?.call == "MPI_Bcast")
        #expect(error?.description.hasPrefix("MPI_Bcast failed with code ") == true)
        #expect(error?.text.contains("MPI_ERR_ROOT") == true)
    }
}
