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
            let kept = (gate: KeptMatrix.floats(dGate), up: KeptMatrix.floats(dUp))
            dGate.copy(from: gate)
            dUp.copy(from: up)
            let mark = arena.mark
            defer { arena.release(to: mark) }
            y.copy(from: arena.matrix(SwiGLU.rows(gate: dGate, up: dUp, keeping: kept), on: workers))
            #expect(arena.matrix(SwiGLU.rows(of: kept), on: workers).elements == y.elements)
            SwiGLU.backward(dy, replacing: kept, on: workers)
            return [y.elements, dGate.elements, dUp.elements]
        }
        let expected = zip(gate.elements, up.elements).map { gate, up in
            Double(gate) / (1 + exp(-Double(gate))) * Double(up)
        }
        #expect(worstDifference(y.elements, expected) < 3e-6)

        let workers = Workers(count: 1)
        checkGradient(of: [("gate", gate, dGate.elements), ("up", up, dUp.elements)]) {
            let mark = arena.mark
            defer { arena.release(to: mark) }
            let kept = (gate: KeptMatrix.floats(gate), up: KeptMatrix.floats(up))
            return inner(arena.matrix(SwiGLU.rows(of: kept), on: workers), dy)
        }
    }

    /// Kept in bf16, gate and up give what their rounded values give, and become gradients rounded once.
    @Test(arguments: [1, 15, 33, 1000]) func keptInBF16(_ width: Int) {
        var random = Seeded(UInt64(width))
        let rows = 37
        let arena = Arena.poisoned(bytes: rows * width * 60 + 65_536)
        let kept = (gate: arena.kept(rows, width, as: .bf16), up: arena.kept(rows, width, as: .bf16))
        let (gate, up) = (arena.random(rows, width, &random), arena.random(rows, width, &random))
        let dy = arena.random(rows, width, &random)
        let workers = Workers(count: 2)
        let y = arena.matrix(SwiGLU.rows(gate: gate, up: up, keeping: kept), on: workers)
        let plain = (gate: KeptMatrix.floats(gate), up: KeptMatrix.floats(up))
        #expect(y.elements == arena.matrix(SwiGLU.rows(of: plain), on: workers).elements)
        func elements(_ x: KeptMatrix) -> [Float] {
            arena.matrix(RowSource(x), on: workers).elements
        }
        #expect(elements(kept.gate) == gate.elements.map(rounded) && elements(kept.up) == up.elements.map(rounded))
        gate.copy(from: gate.elements.map(rounded))
        up.copy(from: up.elements.map(rounded))
        SwiGLU.backward(dy, replacing: kept, on: workers)
        SwiGLU.backward(dy, replacing: plain, on: workers)
        #expect(elements(kept.gate) == gate.elements.map(rounded) && elements(kept.up) == up.elements.map(rounded))
    }

    /// To the nearest bf16, ties to even.
    private func rounded(_ x: Float) -> Float {
        Float(bitPattern: (x.bitPattern + 0x7FFF + (x.bitPattern >> 16 & 1)) & 0xFFFF_0000)
    }
}
