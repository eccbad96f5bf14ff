import Layers
import Tensors
import Testing

@Suite struct RMSNormTests {
    @Test(arguments: [1, 5, 16, 65, 577]) func forwardAndBackward(_ width: Int) {
        var random = Seeded(UInt64(width))
        let rows = 37
        let epsilon = 1e-2
        let weight = random.floats(width)
        let norm = RMSNorm(weight: ConstantMatrix(columns: width, values: weight), epsilon: Float(epsilon))
        let arena = Arena.poisoned(bytes: rows * width * 40 + 65_536)
        let (x, dy) = (arena.random(rows, width, &random), arena.random(rows, width, &random))
        let (y, again, inverseRMS) = (arena.matrix(rows, width), arena.matrix(rows, width), arena.matrix(rows, 1))
        let dx = arena.matrix(rows, width)
        checkSameForAllWorkers { workers in
            norm.forward(x, into: y, inverseRMS: inverseRMS, on: workers)
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let made = arena.matrix(norm.rows(of: x, keeping: inverseRMS), on: workers)
            #expect(made.elements == y.elements)
            again.copy(from: arena.matrix(norm.rows(of: x, inverseRMS: inverseRMS), on: workers))
            dx.fill(1)
            norm.backward(dy, x: x, inverseRMS: inverseRMS, addingTo: dx, on: workers)
            return [y.elements, again.elements, inverseRMS.elements, dx.elements]
        }
        let values = x.elements.map(Double.init)
        var expected: [Double] = []
        for row in 0..<rows {
            let own = values[row * width..<(row + 1) * width]
            let scale = 1 / (own.reduce(0) { $0 + $1 * $1 } / Double(width) + epsilon).squareRoot()
            expected += zip(own, weight).map { $0 * scale * Double($1) }
        }
        // Values below 10, a few roundings each.
        #expect(worstDifference(y.elements, expected) < 4e-6)
        #expect(worstDifference(again.elements, expected) < 4e-6)

        let workers = Workers(count: 1)
        let gradient = dx.elements.map { $0 - 1 }
        checkGradient(of: [("x", x, gradient)], tolerance: width == 1 ? 5e-3 : 1e-3) {
            norm.forward(x, into: y, inverseRMS: inverseRMS, on: workers)
            return inner(y, dy)
        }
    }

    @Test func zeroRowsStayZero() {
        let workers = Workers(count: 1)
        let norm = RMSNorm(weight: ConstantMatrix(columns: 8, values: .init(repeating: 2, count: 8)), epsilon: 1e-5)
        let arena = Arena.poisoned(bytes: 65_536)
        let (x, y, inverseRMS) = (arena.matrix(2, 8), arena.matrix(2, 8), arena.matrix(2, 1))
        x.fill(0)
        norm.forward(x, into: y, inverseRMS: inverseRMS, on: workers)
        #expect(y.elements == [Float](repeating: 0, count: 16))
    }
}
