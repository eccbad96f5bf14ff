import Testing

@testable import Datasets

extension MicroBatches {
    /// The cut of examples that share nothing.
    fileprivate static func cut(_ counts: [Int], limit: Int, atLeast: Int) -> [[Int]] {
        cut(counts.map { ($0, nil) }, limit: limit, atLeast: atLeast)
    }
}

@Suite struct MicroBatchTests {
    /// Worked by hand: 7, 6, 5, 4, 3, 2, 1 over 4 pieces.
    @Test func longestFirstToTheLightest() {
        // 7→0, 6→1, 5→2, 4→3, 3→3 (4+3), 2→2 (5+2), 1→1 (6+1)
        #expect(
            MicroBatches.cut([1, 2, 3, 4, 5, 6, 7], limit: 100, atLeast: 4) == [[6], [0, 5], [1, 4], [2, 3]])
        #expect(MicroBatches.cut([5, 5, 5, 5], limit: 100, atLeast: 2) == [[0, 2], [1, 3]])
    }

    @Test func numberOfPieces() {
        #expect(MicroBatches.cut([Int](), limit: 10, atLeast: 4).isEmpty)
        #expect(MicroBatches.cut([3], limit: 10, atLeast: 4).count == 1)
        #expect(MicroBatches.cut([3, 3], limit: 10, atLeast: 4).count == 2)
        #expect(MicroBatches.cut(Array(repeating: 3, count: 9), limit: 100, atLeast: 4).count == 4)
        // 24 tokens make 3 pieces of at most 10, and four examples of 6 do not fit three such pieces.
        #expect(MicroBatches.cut([6, 6, 6, 6], limit: 10, atLeast: 1).count == 4)
        #expect(MicroBatches.cut([5, 5, 5, 5], limit: 10, atLeast: 1).count == 2)
        // 9 and 6 + 5: one token more than two pieces hold.
        #expect(MicroBatches.cut([9, 6, 5], limit: 10, atLeast: 1) == [[0], [1], [2]])
        #expect(MicroBatches.cut([9, 6, 4], limit: 10, atLeast: 1) == [[0], [1, 2]])
    }

    @Test func aLongExampleStandsAlone() {
        #expect(MicroBatches.cut([25, 1, 1], limit: 10, atLeast: 1) == [[0], [1], [2]])
        #expect(MicroBatches.cut([30], limit: 10, atLeast: 1) == [[0]])
        let cut = MicroBatches.cut([1, 1, 1, 15, 1, 1, 1, 1], limit: 10, atLeast: 1)
        #expect(cut.contains([3]))
    }

    @Test func rulesHoldForManyBatches() {
        var state: UInt64 = 1
        func draw(_ bound: Int) -> Int {
            state = mixed(state)
            return Int(state % UInt64(bound))
        }
        for _ in 0..<300 {
            let counts = (0..<1 + draw(40)).map { _ in 1 + draw(draw(4) == 0 ? 3000 : 300) }
            let limit = 500 + draw(2000)
            let atLeast = 1 + draw(8)
            let cut = MicroBatches.cut(counts, limit: limit, atLeast: atLeast)
            #expect(cut.flatMap { $0 }.sorted() == Array(counts.indices))
            for piece in cut {
                #expect(!piece.isEmpty && piece == piece.sorted())
                #expect(piece.count == 1 || piece.reduce(0) { $0 + counts[$1] } <= limit)
            }
            let fewest = max((counts.reduce(0, +) + limit - 1) / limit, min(counts.count, atLeast))
            #expect(cut.count >= min(fewest, counts.count))
        }
    }

    /// Sixteen rows of a question-and-answer set: four near-equal pieces keep four ranks at work 97 % of the time.
    @Test func piecesAreNearEqual() {
        let counts = [210, 145, 180, 320, 150, 95, 260, 175, 130, 240, 165, 190, 205, 110, 155, 170]
        let loads = MicroBatches.cut(counts, limit: 2048, atLeast: 4).map { $0.reduce(0) { $0 + counts[$1] } }
        #expect(Double(counts.reduce(0, +)) / Double(4 * loads.max()!) > 0.97)
    }

    @Test func dealing() {
        #expect(MicroBatches.deal([4, 3, 2, 1], ranks: 1) == [[0, 1, 2, 3]])
        #expect(MicroBatches.deal([4, 3, 2, 1], ranks: 2) == [[0, 3], [1, 2]])
        #expect(MicroBatches.deal([4, 3], ranks: 4) == [[0], [1], [], []])
        #expect(MicroBatches.deal([0, 0, 0], ranks: 3) == [[0], [1], [2]])
    }
}
