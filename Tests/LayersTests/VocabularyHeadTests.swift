import Foundation
import Layers
import Tensors
import Testing

@Suite struct VocabularyHeadTests {
    /// Vocabulary, rows, features: one part and several, one block of rows and several, nothing a multiple of anything.
    static let shapes = [
        (7, 1, 3), (257, 5, 16), (1031, 255, 9), (1031, 600, 9), (2603, 257, 11), (5003, 17, 24), (4099, 1, 8),
    ]

    @Test(arguments: shapes, [Float(1), 30]) func lossAndGradient(_ shape: (Int, Int, Int), _ size: Float) {
        let (vocabulary, rows, features) = shape
        var random = Seeded(UInt64(vocabulary + rows))
        let weights = random.floats(vocabulary * features)
        let head = VocabularyHead(weight: StoredMatrix(rows: vocabulary, columns: features, values: weights))
        let arena = Arena.poisoned(bytes: (rows * (features * 24 + 64) + vocabulary) * 4 + 65_536)
        let h = arena.matrix(rows, features, random.floats(rows * features, in: -size...size))
        let (losses, dh) = (arena.matrix(rows, 1), arena.matrix(rows, features))
        // Every edge of a part and a panel is somebody's target.
        let edges = [0, vocabulary - 1, vocabulary / 2, 255, 256, 511, 512, 513, 1301, 1302].filter { $0 < vocabulary }
        let targets = (0..<rows).map {
            Int32($0 < edges.count ? edges[$0] : Int.random(in: 0..<vocabulary, using: &random))
        }
        let factor: Float = 1 / 64
        checkSameForAllWorkers { workers in
            head.loss(h, targets: targets, into: losses, dh: dh, factor: factor, arena: arena, on: workers)
            return [losses.elements, dh.elements]
        }
        let workers = Workers(count: 1)
        let alone = arena.matrix(rows, 1)
        head.loss(h, targets: targets, into: alone, dh: nil, factor: factor, arena: arena, on: workers)
        #expect(alone.elements == losses.elements)

        let table = weights.map(Double.init)
        let scores = productWithTranspose(
            h.elements.map(Double.init), table, rows: rows, inner: features, columns: vocabulary)
        var (expectedLosses, expectedGradient) = ([Double](), [Double](repeating: 0, count: rows * features))
        for row in 0..<rows {
            let own = scores[row * vocabulary..<(row + 1) * vocabulary]
            let most = own.max()!
            let weights = own.map { exp($0 - most) }
            let sum = weights.reduce(0, +)
            let target = Int(targets[row])
            expectedLosses.append(most + log(sum) - own[own.startIndex + target])
            for word in 0..<vocabulary {
                let slope = Double(factor) * (weights[word] / sum - (word == target ? 1 : 0))
                if slope == 0 { continue }
                for i in 0..<features { expectedGradient[row * features + i] += slope * table[word * features + i] }
            }
        }
        // Scores are below `size` times the features; they and so the losses are off by some 2⁻²⁴ of that.
        let unit = Double(size) * Double(features) * 0x1p-24
        #expect(worstDifference(losses.elements, expectedLosses) < 8 * unit + 2e-6)
        #expect(worstDifference(dh.elements, expectedGradient) < Double(factor) * (8 * unit + 2e-6))

        if size == 1 {
            checkGradient(of: [("h", h, dh.elements)]) {
                head.loss(h, targets: targets, into: losses, dh: nil, factor: factor, arena: arena, on: workers)
                return losses.elements.reduce(0) { $0 + Double(factor) * Double($1) }
            }
        }
    }

    @Test func logitsAreTheScores() {
        var random = Seeded(3)
        let (vocabulary, rows, features) = (777, 3, 20)
        let weights = random.floats(vocabulary * features)
        let head = VocabularyHead(weight: StoredMatrix(rows: vocabulary, columns: features, values: weights))
        let arena = Arena.poisoned(bytes: 1 << 18)
        let (h, logits) = (arena.random(rows, features, &random), arena.matrix(rows, vocabulary))
        checkSameForAllWorkers { workers in
            head.logits(h, into: logits, arena: arena, on: workers)
            return [logits.elements]
        }
        let expected = productWithTranspose(
            h.elements.map(Double.init), weights.map(Double.init), rows: rows, inner: features, columns: vocabulary)
        #expect(worstDifference(logits.elements, expected) < 4e-6)
    }

    /// An arena that was measured for some rows serves fewer, though fewer rows may be cut into more parts.
    @Test(arguments: [300, 1031, 5003, 49_152]) func fewerRowsNeedNoMoreMemory(_ vocabulary: Int) {
        let head = VocabularyHead(
            weight: StoredMatrix(rows: vocabulary, columns: 1, values: .init(repeating: 0, count: vocabulary)))
        let dry = Workers.dry()
        var before = (0, 0)
        for rows in Array(1...70) + Array(stride(from: 71, through: 3000, by: 37)) + [255, 256, 257, 511, 512, 513] {
            func need(_ rows: Int, wantsGradient: Bool) -> Int {
                let arena = Arena.measuring()
                let (h, losses) = (arena.matrix(rows, 1), arena.matrix(rows, 1))
                head.loss(
                    h, targets: .init(repeating: 0, count: rows), into: losses,
                    dh: wantsGradient ? arena.matrix(rows, 1) : nil, factor: 1, arena: arena, on: dry)
                return arena.peak
            }
            if rows == 255 { before = (0, 0) }
            let now = (need(rows, wantsGradient: false), need(rows, wantsGradient: true))
            #expect(now.0 >= before.0 && now.1 >= before.1, "\(rows) rows")
            before = now
        }
    }

    @Test func noRowsAreNoWork() {
        let head = VocabularyHead(weight: StoredMatrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6]))
        let arena = Arena(bytes: 4096)
        let (h, losses) = (arena.matrix(0, 2), arena.matrix(0, 1))
        head.loss(
            h, targets: [], into: losses, dh: arena.matrix(0, 2), factor: 1, arena: arena, on: Workers(count: 1))
        #expect(losses.elements.isEmpty)
    }
}

@Suite struct EmbeddingTests {
    @Test func takesRowsOfTheTable() {
        let table = (0..<35).map(Float.init)
        let embedding = Embedding(weight: StoredMatrix(rows: 7, columns: 5, values: table))
        let tokens: [Int32] = (0..<40).map { Int32($0 * 3 % 7) }
        let arena = Arena.poisoned(bytes: 4096)
        let x = arena.matrix(40, 5)
        checkSameForAllWorkers { workers in
            embedding.forward(tokens, into: x, on: workers)
            return [x.elements]
        }
        for (t, token) in tokens.enumerated() { #expect(x[t, 4] == table[Int(token) * 5 + 4]) }
    }
}
