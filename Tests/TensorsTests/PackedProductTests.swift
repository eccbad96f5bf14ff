import Tensors
import Testing

/// Products of bf16 numbers straight from stored weights, beside plain sums of the same rounded numbers.
@Suite struct PackedProductTests {
    private static func rounded(_ values: [Float]) -> [Float] {
        values.map {
            let bits = $0.bitPattern
            return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
        }
    }

    /// Tokens, inputs and outputs.
    private func shapes(_ format: StorageFormat) -> [(tokens: Int, inputs: Int, outputs: Int)] {
        switch format.blockElements {
        case 1:
            [
                (1, 1, 1), (1, 47, 17), (15, 48, 49), (17, 257, 16), (1025, 15, 97), (49, 16, 513), (16, 2049, 15),
                (3, 511, 257), (47, 4097, 3), (8, 2500, 96),
            ]
        case 32: [(1, 32, 1), (17, 96, 257), (513, 32, 47), (47, 2080, 16), (5, 288, 513)]
        default: [(1, 256, 1), (17, 256, 257), (513, 256, 17), (15, 2304, 48), (5, 768, 255)]
        }
    }

    @Test(arguments: StorageFormat.allCases) func forwardAgreesWithPlainSums(_ format: StorageFormat) {
        var random = Seeded(300 + UInt64(format.rawValue))
        for (tokens, inputs, outputs) in shapes(format) {
            for variant in 0..<3 {
                let w = StoredSample(
                    format, rows: outputs, columns: inputs, headSize: variant == 2 && outputs % 2 == 0 ? 2 : nil,
                    offset: variant, random: &random)
                let rank = 5
                let arena = Arena(bytes: 1 << 26)
                let x = arena.matrix(tokens, inputs, random.floats(tokens * inputs))
                let bias = variant == 1 ? arena.matrix(1, outputs, random.floats(outputs)) : nil
                let hidden = arena.matrix(tokens, rank, random.floats(tokens * rank))
                let b = arena.matrix(outputs, rank, random.floats(outputs * rank))
                let before = variant == 2 ? random.floats(tokens * outputs) : nil
                var reference = Reference(rows: tokens, columns: outputs, filledWith: before)
                reference.add(
                    Self.rounded(x.elements), transposed(Self.rounded(w.values), rows: outputs, columns: inputs),
                    inner: inputs)
                if let bias { reference.add([Float](repeating: 1, count: tokens), bias.elements, inner: 1) }
                if variant > 0 {
                    reference.add(
                        Self.rounded(hidden.elements),
                        transposed(Self.rounded(b.elements.map { $0 * 0.75 }), rows: outputs, columns: rank),
                        inner: rank)
                }
                _ = checkSameForAllWorkers { workers in
                    let mark = arena.mark
                    defer { arena.release(to: mark) }
                    let y = before.map { arena.matrix(tokens, outputs, $0) } ?? arena.poisoned(tokens, outputs)
                    var terms = [
                        PackedTerm(left: arena.packed(x, on: workers), right: .weightRowsAreColumns(w.weight))
                    ]
                    if variant > 0 {
                        terms.append(
                            PackedTerm(
                                left: arena.packed(hidden, on: workers), right: .rowsAreColumns(b, scale: 0.75)))
                    }
                    multiply(
                        [PackedProduct(terms, bias: bias, into: y, accumulate: before != nil)], on: workers)
                    let error = reference.worstError(y.elements)
                    #expect(error < sumTolerance(inputs + rank), "\(format) \(tokens)×\(inputs)×\(outputs), \(variant)")
                    return bits(y)
                }
            }
        }
    }

    @Test(arguments: StorageFormat.allCases) func backwardAgreesWithPlainSums(_ format: StorageFormat) {
        var random = Seeded(400 + UInt64(format.rawValue))
        for (tokens, inputs, outputs) in shapes(format) {
            for isMasked in [false, true] {
                let w = StoredSample(format, rows: outputs, columns: inputs, offset: isMasked ? 1 : 0, random: &random)
                let rank = 4
                let arena = Arena(bytes: 1 << 26)
                let dy = arena.matrix(tokens, outputs, random.floats(tokens * outputs))
                let dHidden = arena.matrix(tokens, rank, random.floats(tokens * rank))
                let a = arena.matrix(rank, inputs, random.floats(rank * inputs))
                let keys = DropoutMask.TokenKeys(
                    examples: [UInt32](repeating: 3, count: tokens), positions: (0..<UInt32(tokens)).map { $0 })
                let mask =
                    isMasked ? DropoutMask(probability: 0.5, seed: 1, purpose: 2, step: 3, tokens: keys) : nil
                var reference = Reference(rows: tokens, columns: inputs)
                reference.add(Self.rounded(dy.elements), Self.rounded(w.values), inner: outputs)
                // The low-rank part by itself, for the mask keeps and doubles half of it.
                var thin = Reference(rows: tokens, columns: inputs)
                thin.add(Self.rounded(dHidden.elements), Self.rounded(a.elements), inner: rank)
                let kept = arena.matrix(tokens, inputs, [Float](repeating: 1, count: tokens * inputs))
                if let mask { mask.apply(kept, into: kept, on: Workers(count: 1)) }
                for (i, factor) in kept.elements.enumerated() {
                    reference.values[i] += Double(factor) * thin.values[i]
                    reference.magnitudes[i] += Double(factor) * thin.magnitudes[i]
                }
                _ = checkSameForAllWorkers { workers in
                    let mark = arena.mark
                    defer { arena.release(to: mark) }
                    let dx = arena.poisoned(tokens, inputs)
                    let term = PackedTerm(left: arena.packed(dHidden, on: workers), right: .plain(a, scale: 1))
                    let base = PackedTerm(left: arena.packed(dy, on: workers), right: .weight(w.weight))
                    let product =
                        mask.map { PackedProduct([base], masked: (term, $0), into: dx) }
                        ?? PackedProduct([base, term], into: dx)
                    multiply([product], on: workers)
                    let error = reference.worstError(dx.elements)
                    #expect(error < sumTolerance(outputs + rank), "\(format) \(tokens)×\(inputs)×\(outputs)")
                    return bits(dx)
                }
            }
        }
    }

    /// Turned over, as the gradients of A and B need it.
    @Test func transposedLeftOperand() {
        var random = Seeded(9)
        for (tokens, rank, inputs) in [(1, 1, 1), (17, 3, 49), (1031, 16, 97), (64, 33, 48)] {
            let arena = Arena(bytes: 1 << 26)
            let d = arena.matrix(tokens, rank, random.floats(tokens * rank))
            let x = arena.matrix(tokens, inputs, random.floats(tokens * inputs))
            var reference = Reference(rows: rank, columns: inputs)
            reference.add(
                transposed(Self.rounded(d.elements), rows: tokens, columns: rank), Self.rounded(x.elements),
                inner: tokens)
            _ = checkSameForAllWorkers { workers in
                let mark = arena.mark
                defer { arena.release(to: mark) }
                let y = arena.poisoned(rank, inputs)
                let left = arena.packedTransposed(d, on: workers)
                multiply([PackedProduct([PackedTerm(left: left, right: .plain(x, scale: 1))], into: y)], on: workers)
                #expect(reference.worstError(y.elements) < sumTolerance(tokens))
                return bits(y)
            }
        }
    }

    @Test func blocksOfAVocabulary() {
        var random = Seeded(10)
        for (format, vocabulary, features, rows) in [
            (StorageFormat.f32, 401, 37, 9), (.bf16, 500, 64, 64), (.q8_0, 193, 96, 17), (.q4_K, 385, 1024, 33),
        ] {
            let w = StoredSample(format, rows: vocabulary, columns: features, random: &random)
            let arena = Arena(bytes: 1 << 26)
            let h = arena.matrix(rows, features, random.floats(rows * features))
            let sum = arena.matrix(rows, features)
            sum.fill(0)
            let workers = Workers(count: 1)
            let packed = arena.packed(h, on: workers)
            var (seen, found, expected) = (0, [Float](), Reference(rows: rows, columns: features))
            forEachPackedBlock(of: w.weight, rows: 1..<vocabulary, on: workers, worker: 0) { block in
                #expect(block.rows.lowerBound == 1 + seen)
                seen += block.rows.count
                let own = Array(
                    Self.rounded(w.values)[block.rows.lowerBound * features..<block.rows.upperBound * features])
                var reference = Reference(rows: rows, columns: block.rows.count)
                reference.add(
                    Self.rounded(h.elements), transposed(own, rows: block.rows.count, columns: features),
                    inner: features)
                let scores = block.scores(packed, rows: 0..<rows)
                #expect(reference.worstError(scores.elements) < sumTolerance(features))
                expected.add(Self.rounded(scores.elements), own, inner: block.rows.count)
                block.addProduct(of: scores, to: sum)
                found = sum.elements
            }
            #expect(seen == vocabulary - 1)
            #expect(expected.worstError(found) < sumTolerance(vocabulary))
        }
    }

    /// A masked term alone, with a bias, and onto what is there, beyond one tile of rows and of columns.
    @Test(arguments: [(1, 1, 1), (17, 97, 3), (1031, 193, 16)]) func maskedTerms(_ shape: (Int, Int, Int)) {
        let (rows, columns, rank) = shape
        var random = Seeded(UInt64(rows))
        let arena = Arena(bytes: 1 << 24)
        let d = arena.matrix(rows, rank, random.floats(rows * rank))
        let a = arena.matrix(rank, columns, random.floats(rank * columns))
        let bias = arena.matrix(1, columns, random.floats(columns))
        let before = random.floats(rows * columns)
        let keys = DropoutMask.TokenKeys(
            examples: (0..<UInt32(rows)).map { $0 / 7 }, positions: (0..<UInt32(rows)).map { $0 % 7 })
        let mask = DropoutMask(probability: 0.5, seed: 4, purpose: 5, step: 6, tokens: keys)
        let kept = arena.matrix(rows, columns, [Float](repeating: 1, count: rows * columns))
        mask.apply(kept, into: kept, on: Workers(count: 1))
        var thin = Reference(rows: rows, columns: columns)
        thin.add(Self.rounded(d.elements), Self.rounded(a.elements), inner: rank)
        for (hasBias, isAdded) in [(false, false), (true, false), (false, true), (true, true)] {
            var reference = Reference(rows: rows, columns: columns, filledWith: isAdded ? before : nil)
            if hasBias { reference.add([Float](repeating: 1, count: rows), bias.elements, inner: 1) }
            for (i, factor) in kept.elements.enumerated() {
                reference.values[i] += Double(factor) * thin.values[i]
                reference.magnitudes[i] += Double(factor) * thin.magnitudes[i]
            }
            _ = checkSameForAllWorkers { workers in
                let mark = arena.mark
                defer { arena.release(to: mark) }
                let y = isAdded ? arena.matrix(rows, columns, before) : arena.poisoned(rows, columns)
                let term = PackedTerm(left: arena.packed(d, on: workers), right: .plain(a, scale: 1))
                let product = PackedProduct(
                    [], bias: hasBias ? bias : nil, masked: (term, mask), into: y, accumulate: isAdded)
                multiply([product], on: workers)
                let error = reference.worstError(y.elements)
                #expect(error < sumTolerance(rank + 2), "bias \(hasBias), added \(isAdded): \(error)")
                return bits(y)
            }
        }
    }
}
