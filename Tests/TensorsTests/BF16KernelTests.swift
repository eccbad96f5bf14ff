import CKernels
import Foundation
import Tensors
import Testing

/// The bf16 kernels of every instruction set that this CPU has, beside plain sums in Double.
@Suite struct BF16KernelTests {
    static let instructionSets = [CK_BF16_PORTABLE, CK_BF16_AVX2, CK_BF16_AVX512, CK_BF16_NATIVE].filter {
        $0.rawValue <= ck_bf16_best_isa().rawValue
    }
    static let lengths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 95, 96, 97, 100, 145]

    /// Rounds to the nearest bf16, ties to even.
    private static func rounded(_ value: Float) -> Float {
        if value.isNaN { return value }
        let bits = value.bitPattern
        return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
    }

    /// An operand of (lines, length), packed line by line or pair by pair, in memory full of ones outside.
    private final class Operand {
        let place: ck_bf16_place
        private let words: UnsafeMutablePointer<UInt32>
        private let count: Int
        private static let guards = 64

        init(
            _ values: [Float], lines: Int, length: Int, width: Int, isa: ck_bf16_isa, isAcross: Bool, scale: Float = 1,
            isBF16: Bool = false
        ) {
            let pairs = (length + 1) / 2
            count = ck_bf16_words(pairs, lines, width)
            words = .allocate(capacity: count + 2 * Self.guards)
            words.initialize(repeating: 0x3F80_3F80, count: count + 2 * Self.guards)
            place = ck_bf16_place(words: words + Self.guards, pairs: pairs, lines: lines, width: width)
            // Rows of the source: lines where packed across, elements of the inner dimension where packed along.
            let (rows, columns) = isAcross ? (lines, length) : (length, lines)
            let source =
                isAcross ? values : transposed(values, rows: lines, columns: length)
            let floats = UnsafeMutableRawPointer.allocate(byteCount: max(4 * source.count, 1), alignment: 4)
            defer { floats.deallocate() }
            for (i, value) in source.enumerated() {
                if isBF16 {
                    floats.storeBytes(of: UInt16(value.bitPattern >> 16), toByteOffset: 2 * i, as: UInt16.self)
                } else {
                    floats.storeBytes(of: value, toByteOffset: 4 * i, as: Float.self)
                }
            }
            func row(_ i: Int) -> UnsafeRawPointer? {
                i < rows ? UnsafeRawPointer(floats + i * columns * (isBF16 ? 2 : 4)) : nil
            }
            if isAcross {
                for first in stride(from: 0, to: lines, by: 16) {
                    let pointers = (first..<min(lines, first + 16)).map(row)
                    ck_bf16_pack_across(
                        isa, pointers, pointers.count, isBF16 ? 1 : 0, length, scale, place, first, 0)
                }
            } else {
                for pair in 0..<pairs {
                    ck_bf16_pack_along(isa, row(2 * pair), row(2 * pair + 1), isBF16 ? 1 : 0, scale, place, pair)
                }
            }
        }
        deinit { words.deallocate() }

        var contents: [UInt32] { (0..<count).map { place.words[$0] } }
        var guardsAreWhole: Bool {
            (0..<Self.guards).allSatisfy {
                words[$0] == 0x3F80_3F80 && words[Self.guards + count + $0] == 0x3F80_3F80
            }
        }
    }

    /// What the header says of the layout, word by word.
    private func plain(_ values: [Float], lines: Int, length: Int, width: Int) -> [UInt32] {
        let pairs = (length + 1) / 2
        var out: [UInt32] = []
        for start in stride(from: 0, to: lines, by: width) {
            let block = width == 8 || lines - start >= width ? width : (lines - start + 15) / 16 * 16
            for pair in 0..<pairs {
                for line in start..<start + block {
                    func half(_ k: Int) -> UInt32 {
                        line < lines && k < length ? Self.rounded(values[line * length + k]).bitPattern >> 16 : 0
                    }
                    out.append(half(2 * pair) | half(2 * pair + 1) << 16)
                }
            }
        }
        return out
    }

    @Test(arguments: instructionSets.map(\.rawValue)) func packsAsTheHeaderSays(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        var random = Seeded(1)
        for lines in Self.lengths {
            for length in [1, 2, 15, 16, 31, 32, 33, 64, 95] {
                let values = random.floats(lines * length)
                for width in [8, 48] {
                    let expected = plain(values, lines: lines, length: length, width: width)
                    let halved = plain(values.map { $0 * 0.5 }, lines: lines, length: length, width: width)
                    let short = values.map(Self.rounded)
                    for isAcross in [true, false] {
                        let packed = Operand(
                            values, lines: lines, length: length, width: width, isa: isa, isAcross: isAcross)
                        #expect(packed.contents == expected, "\(lines) × \(length), blocks of \(width), \(isAcross)")
                        let scaled = Operand(
                            values, lines: lines, length: length, width: width, isa: isa, isAcross: isAcross,
                            scale: 0.5)
                        #expect(scaled.contents == halved)
                        let stored = Operand(
                            short, lines: lines, length: length, width: width, isa: isa, isAcross: isAcross,
                            isBF16: true)
                        #expect(stored.contents == expected)
                        #expect(packed.guardsAreWhole && scaled.guardsAreWhole && stored.guardsAreWhole)
                    }
                }
            }
        }
    }

    @Test(arguments: instructionSets.map(\.rawValue)) func roundsToTheNearestEven(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        // Below, on and above the middle between two numbers, for even and odd ones, all exponents of normal numbers.
        let patterns: [UInt32] = (1..<255).flatMap { exponent in
            [0, 0x10000, 0x20000, 0x7E0000, 0x7F0000].flatMap { (upper: UInt32) in
                [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF].map { UInt32(exponent) << 23 | upper | $0 }
            }
        }
        let special: [UInt32] = [0, 0x8000_0000, 0x7F80_0000, 0xFF80_0000]
        let values = (patterns + patterns.map { $0 | 0x8000_0000 } + special).map(Float.init(bitPattern:))
        for isAcross in [true, false] {
            let packed = Operand(values, lines: 1, length: values.count, width: 8, isa: isa, isAcross: isAcross)
            #expect(packed.contents == plain(values, lines: 1, length: values.count, width: 8))
            let nans = Operand(
                [.nan, -.nan, Float(bitPattern: 0x7F80_0001), 1], lines: 1, length: 4, width: 8, isa: isa,
                isAcross: isAcross)
            let found = [nans.contents[0] << 16, nans.contents[0] & 0xFFFF_0000, nans.contents[8] << 16]
            #expect(found.allSatisfy { Float(bitPattern: $0).isNaN })
        }
    }

    /// Sums in Float of the products of bf16 numbers, which are exact.
    @Test(arguments: instructionSets.map(\.rawValue)) func productsAgreeWithPlainSums(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        var random = Seeded(2)
        var worst = 0.0
        for (index, rows) in Self.lengths.enumerated() {
            for columns in Self.lengths {
                let inner = Self.lengths[(index + columns) % Self.lengths.count]
                // Two terms, of which the second counts for its first pairs and lines only.
                let more = 5 + columns % 7
                let a = random.floats(rows * inner).map(Self.rounded),
                    b = random.floats(columns * inner).map(Self.rounded)
                let a2 = random.floats(rows * (inner + 4)).map(Self.rounded)
                let b2 = random.floats((columns + more) * (inner + 6)).map(Self.rounded)
                let counted = (inner + 1) / 2 * 2
                let left = Operand(a, lines: rows, length: inner, width: 8, isa: isa, isAcross: true)
                let right = Operand(b, lines: columns, length: inner, width: 48, isa: isa, isAcross: false)
                let left2 = Operand(a2, lines: rows, length: inner + 4, width: 8, isa: isa, isAcross: false)
                let right2 = Operand(b2, lines: columns + more, length: inner + 6, width: 48, isa: isa, isAcross: true)
                func term(_ left: Operand, _ right: Operand, _ pairs: Int) -> ck_bf16_term {
                    ck_bf16_term(
                        left: left.place.words, left_block: left.place.pairs * 8, right: right.place.words,
                        right_pairs: right.place.pairs, right_lines: right.place.lines, pairs: pairs)
                }
                let terms = [term(left, right, (inner + 1) / 2), term(left2, right2, counted / 2)]
                let stride = columns + 3
                for isAdded in [false, true] {
                    let before = random.floats((rows + 1) * stride)
                    var c = before
                    ck_bf16_gemm(isa, terms, terms.count, rows, columns, &c, stride, isAdded ? 1 : 0)
                    var reference = Reference(rows: rows, columns: columns)
                    if isAdded {
                        let own = (0..<rows).flatMap { before[$0 * stride..<$0 * stride + columns] }
                        reference = Reference(rows: rows, columns: columns, filledWith: own)
                    }
                    reference.add(a, transposed(b, rows: columns, columns: inner), inner: inner)
                    func head(_ values: [Float], _ lines: Int, of length: Int) -> [Float] {
                        (0..<lines).flatMap { values[$0 * length..<$0 * length + counted] }
                    }
                    reference.add(
                        head(a2, rows, of: inner + 4),
                        transposed(head(b2, columns, of: inner + 6), rows: columns, columns: counted), inner: counted)
                    let found = (0..<rows).flatMap { c[$0 * stride..<$0 * stride + columns] }
                    worst = max(worst, reference.worstError(found) / sumTolerance(inner + counted + 1))
                    // What lies between and behind the rows stays as it was.
                    for row in 0...rows {
                        let rest = row * stride + (row < rows ? columns : 0)..<(row + 1) * stride
                        #expect(c[rest] == before[rest], "\(rows) × \(columns) wrote beyond row \(row)")
                    }
                }
            }
        }
        #expect(worst < 1, "worst error: \(worst) of what is allowed")
    }

    @Test(arguments: instructionSets.map(\.rawValue)) func infinitiesAndNaNGoThrough(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        for (value, other) in [(Float.infinity, Float(1)), (-.infinity, 1), (.nan, 1), (.infinity, 0)] {
            let left = Operand([1, value, 2], lines: 1, length: 3, width: 8, isa: isa, isAcross: true)
            let right = Operand([1, other, 2], lines: 1, length: 3, width: 48, isa: isa, isAcross: true)
            var c: Float = 0
            var term = ck_bf16_term(
                left: left.place.words, left_block: 16, right: right.place.words, right_pairs: 2, right_lines: 1,
                pairs: 2)
            ck_bf16_gemm(isa, &term, 1, 1, 1, &c, 1, 0)
            let expected = 1 + value * other + 4
            #expect(expected.isNaN ? c.isNaN : c == expected)
        }
    }

    /// Subnormal numbers round like others, but for the instructions that take them for zero.
    @Test(arguments: instructionSets.map(\.rawValue)) func subnormalNumbers(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        let patterns: [UInt32] = [
            1, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x1_7FFF, 0x40_0000, 0x7F_7FFF, 0x7F_8000, 0x7F_FFFF,
        ]
        let values = (patterns + patterns.map { $0 | 0x8000_0000 }).map(Float.init(bitPattern:))
        for isAcross in [true, false] {
            let packed = Operand(values, lines: 1, length: values.count, width: 8, isa: isa, isAcross: isAcross)
            let rounded = plain(values, lines: 1, length: values.count, width: 8)
            #expect(packed.contents == (isa == CK_BF16_NATIVE ? rounded.map { $0 & 0x8000_8000 } : rounded))
        }
    }

    /// An element's bits do not depend on which rows and columns are computed with it, so that tiles and threads leave no trace.
    @Test(arguments: instructionSets.map(\.rawValue)) func shapeLeavesNoTrace(_ raw: UInt32) {
        let isa = ck_bf16_isa(rawValue: raw)
        var random = Seeded(4)
        let (rows, columns, inner) = (49, 145, 97)
        let left = Operand(
            random.floats(rows * inner), lines: rows, length: inner, width: 8, isa: isa, isAcross: true)
        let right = Operand(
            random.floats(columns * inner), lines: columns, length: inner, width: 48, isa: isa, isAcross: true)
        let before = random.floats(rows * columns)
        /// Rows from a block's first on, columns from a block's first on.
        func product(_ rowRange: Range<Int>, _ columnRange: Range<Int>, accumulate: Bool) -> [UInt32] {
            let pairs = (inner + 1) / 2
            var term = ck_bf16_term(
                left: left.place.words + rowRange.lowerBound * pairs, left_block: 8 * pairs,
                right: right.place.words + columnRange.lowerBound * pairs, right_pairs: pairs,
                right_lines: columns - columnRange.lowerBound, pairs: pairs)
            var c = rowRange.flatMap { row in columnRange.map { before[row * columns + $0] } }
            ck_bf16_gemm(
                isa, &term, 1, rowRange.count, columnRange.count, &c, columnRange.count, accumulate ? 1 : 0)
            return c.map(\.bitPattern)
        }
        for accumulate in [false, true] {
            let whole = product(0..<rows, 0..<columns, accumulate: accumulate)
            for rowRange in [0..<1, 0..<15, 8..<24, 8..<25, 40..<47, 48..<49] {
                for columnRange in [0..<1, 0..<47, 0..<48, 48..<97, 48..<64, 96..<145, 144..<145] {
                    let expected = rowRange.flatMap { row in columnRange.map { whole[row * columns + $0] } }
                    let found = product(rowRange, columnRange, accumulate: accumulate)
                    #expect(found == expected, "rows \(rowRange), columns \(columnRange), \(accumulate)")
                }
            }
        }
    }
}
