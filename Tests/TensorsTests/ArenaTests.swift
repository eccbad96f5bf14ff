import Tensors
import Testing

@Suite struct ArenaTests {
    /// Cuts some matrices and gives some back, as a step does.
    private func use(_ arena: Arena) -> [Int] {
        var marks = [arena.mark]
        for (rows, columns) in [(1, 1), (0, 7), (3, 5), (16, 16), (1000, 3)] {
            _ = arena.matrix(rows, columns)
            marks.append(arena.mark)
        }
        arena.release(to: marks[3])
        _ = arena.matrix(17, 17)
        return marks + [arena.mark]
    }

    @Test func measuringAsksForWhatIsUsed() {
        let measuring = Arena.measuring()
        let marks = use(measuring)
        #expect(measuring.isMeasuring && marks.last! < measuring.peak)
        let real = Arena(bytes: measuring.peak)
        #expect(use(real) == marks)
        #expect(!real.isMeasuring && real.peak == measuring.peak && real.capacity >= measuring.peak)
        measuring.reset()
        #expect(measuring.mark == 0 && use(measuring) == marks && measuring.peak == real.peak)
    }

    @Test func matricesDoNotOverlap() {
        let arena = Arena(bytes: 1 << 16)
        let matrices = [(3, 5), (1, 1), (7, 16), (2, 33)].map { arena.matrix($0.0, $0.1) }
        for (i, matrix) in matrices.enumerated() { matrix.fill(Float(i)) }
        for (i, matrix) in matrices.enumerated() { #expect(matrix.elements.allSatisfy { $0 == Float(i) }) }
        #expect(arena.mark % 64 == 0)
    }

    @Test func windowsNameTheSameElements() {
        let arena = Arena(bytes: 4096)
        let matrix = arena.matrix(4, 6, (0..<24).map(Float.init))
        let window = matrix.rows(1..<3).columns(2..<5)
        #expect(window.elements == [8, 9, 10, 14, 15, 16] && window.stride == 6 && window[1, 2] == 16)
        window[0, 1] = -1
        #expect(matrix[1, 3] == -1)
        window.copy(from: arena.matrix(2, 3, [1, 2, 3, 4, 5, 6]))
        #expect(matrix.elements == [0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 11, 12, 13, 4, 5, 6, 17, 18, 19, 20, 21, 22, 23])
        #expect(matrix.firstNonFinite() == nil)
        matrix[2, 5] = -.infinity
        matrix[3, 0] = .nan
        let found = matrix.firstNonFinite()
        #expect(found?.row == 2 && found?.column == 5)
    }

    @Test func slabsStackEntriesThatFollowEachOther() {
        var layout = ParameterLayout()
        let (a, b) = (layout.append("a", rows: 2, columns: 3), layout.append("b", rows: 1, columns: 3))
        let c = layout.append("c", rows: 3, columns: 2)
        #expect(layout.count == 15 && layout.entries[c].offset == 9)
        let slab = ParameterSlab(layout)
        #expect(slab.bytes == [UInt8](repeating: 0, count: 60))
        slab[a].fill(1)
        slab[b].fill(2)
        slab[c].fill(3)
        let stacked = slab.stacked(a..<c)
        #expect(stacked.rows == 3 && stacked.elements == [1, 1, 1, 1, 1, 1, 2, 2, 2])
        let copy = ParameterSlab(layout)
        copy.setBytes(slab.bytes)
        #expect(copy[c].elements == [3, 3, 3, 3, 3, 3] && copy.bytes == slab.bytes)
    }
}
