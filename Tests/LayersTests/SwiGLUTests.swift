import Foundation
import Layers
import Tensors
import Testing

@Suite struct SwiGLUTests {
    @Test(arguments: [1, 15, 16, 33, 1000]) func forwardAndBackward(_ width: Int) {
        var random = Seeded(UInt64(width))
        let rows = 19
        let arena = Arena.poisoned(bytes: rows * width * 40 + 65_536)
        let gate = arena.matrix(rows, width, random.floats(rows * width, in: -5...5))
        let (up, dy) = (arena.random(rows, width, &random), arena.random(rows, width, &random))
        let (y, dGate, dUp) = (arena.matrix(rows, width), arena.matrix(rows, width), arena.matrix(rows, width))
        checkSameForAllWorkers { workers in
            SwiGLU.forward(gate: gate, up: up, into: y, on: workers)
            dGate.copy(from: gate)
            dUp.copy(from: up)
            SwiGLU.backward(dy, replacingGate: dGate, up: dUp, on: workers)
            return [y.elements, dGate.elements, dUp.elements]
        }
        let expected = zip(gate.elements, up.elements).map { gate, up in
            Double(gate) / (1 + exp(-Double(gate))) * Double(up)
        }
        #expect(worstDifference(y.elements, expected) < 3e-6)

        let workers = Workers(count: 1)
        checkGradient(of: [("gate", gate, dGate.elements), ("up", up, dUp.elements)]) {
            SwiGLU.forward(gate: gate, up: up, into: y, on: workers)
            return inner(y, dy)
        }
    }
}
