extension CounterRandom {
    /// Adds noise of the uniform distribution in [−scale, scale) to a row of a matrix; each number is a function of (step, example,
    /// position, feature) alone.
    /// - Parameters:
    ///   - x: (rows, features).
    ///   - row: that is changed.
    ///   - scale: the bound of the noise.
    ///   - step: the update that the pass leads to.
    ///   - example: names the example of the row.
    ///   - position: of the row in its example.
    public func addUniform(to x: MatrixView, row: Int, scale: Float, step: UInt32, example: UInt32, position: UInt32) {
        precondition(row >= 0 && row < x.rows)
        let elements = x.row(row)
        for first in stride(from: 0, to: x.columns, by: 4) {
            let words = block(UInt32(truncatingIfNeeded: first / 4), position, example, step)
            elements[first] += Self.symmetric(words.0) * scale
            if first + 1 < x.columns { elements[first + 1] += Self.symmetric(words.1) * scale }
            if first + 2 < x.columns { elements[first + 2] += Self.symmetric(words.2) * scale }
            if first + 3 < x.columns { elements[first + 3] += Self.symmetric(words.3) * scale }
        }
    }

    /// A number in [−1, 1) of 24 bits.
    private static func symmetric(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-23 - 1 }
}
