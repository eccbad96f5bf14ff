/// Unicode's canonical composition, NFC.   (Unicode Standard, sections 3.11 and 3.12)
struct Composition: Sendable {
    static let shared = Composition()

    private let decompositions: [UInt32: [UInt32]]
    /// By first scalar (high half) and second (low half).
    private let compositions: [UInt64: UInt32]
    /// By scalar: its combining class; `joining` for a scalar of class 0 that NFC changes or composes with what is before
    /// it; 0 for those that it leaves alone, as all after the end of the table.
    private let kinds: [UInt8]
    private static let joining: UInt8 = 255

    private init() {
        var decompositions: [UInt32: [UInt32]] = [:]
        var composites: [[UInt32]: UInt32] = [:]
        var changed: [UInt32] = []
        var scalar: UInt32 = 0
        for entry in Self.words(CompositionTable.decompositions) {
            let halves = entry.split { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") }
            scalar += Self.number(halves[0], radix: 16)
            let parts = halves[1].split(separator: UInt8(ascii: ".")).map { Self.number($0, radix: 16) }
            decompositions[scalar] = parts
            if entry.contains(UInt8(ascii: ":")) { composites[parts] = scalar } else { changed.append(scalar) }
        }
        var kinds = [UInt8](repeating: 0, count: 0x2FA20)
        var position = 0
        for entry in Self.words(CompositionTable.classes) {
            let halves = entry.split(separator: UInt8(ascii: ":"))
            let count = Int(Self.number(halves[1], radix: 10))
            let value = UInt8(Self.number(halves[0], radix: 10))
            if value > 0 { for place in position..<position + count { kinds[place] = value } }
            position += count
        }
        var compositions: [UInt64: UInt32] = [:]
        for (parts, scalar) in composites {
            guard let last = parts.last, let first = composites[Array(parts.dropLast())] ?? parts.first else {
                continue
            }
            compositions[UInt64(first) << 32 | UInt64(last)] = scalar
            if kinds[Int(last)] == 0 { kinds[Int(last)] = Self.joining }
        }
        for scalar in changed where kinds[Int(scalar)] == 0 { kinds[Int(scalar)] = Self.joining }
        for vowel in 0x1161...0x1175 { kinds[vowel] = Self.joining }
        for final in 0x11A8...0x11C2 { kinds[final] = Self.joining }
        self.decompositions = decompositions
        self.compositions = compositions
        self.kinds = kinds
    }

    private static func words(_ text: String) -> [Substring.UTF8View] {
        text[...].utf8.split { $0 == 0x20 || $0 == 0x0A }
    }

    private static func number(_ digits: Substring.UTF8View, radix: UInt32) -> UInt32 {
        digits.reduce(0) { $0 * radix + UInt32($1 < 0x3A ? $1 - 0x30 : $1 - 0x57) }
    }

    /// Whether NFC changes the scalar or may reorder or compose it with what is before it.
    @inline(__always) func joins(_ scalar: UInt32) -> Bool { scalar < kinds.count && kinds[Int(scalar)] != 0 }

    private func combiningClass(_ scalar: UInt32) -> UInt8 {
        let kind = scalar < kinds.count ? kinds[Int(scalar)] : 0
        return kind == Self.joining ? 0 : kind
    }

    /// The composition of scalars. The first must not join what is before it.
    func compose(_ scalars: [UInt32]) -> [UInt32] {
        var parts: [(scalar: UInt32, class: UInt8)] = []
        for scalar in scalars { for part in decompose(scalar) { parts.append((part, combiningClass(part))) } }
        reorder(&parts)
        var result: [UInt32] = []
        var starter: Int?
        var lastClass: UInt8 = 0
        for part in parts {
            if let starter, starter == result.count - 1 || lastClass < part.class,
                let composed = compose(result[starter], part.scalar)
            {
                result[starter] = composed
                continue
            }
            if part.class == 0 { starter = result.count }
            lastClass = part.class
            result.append(part.scalar)
        }
        return result
    }

    private func decompose(_ scalar: UInt32) -> [UInt32] {
        guard (0xAC00...0xD7A3).contains(scalar) else { return decompositions[scalar] ?? [scalar] }
        let index = scalar - 0xAC00
        let final = index % 28
        return [0x1100 + index / 588, 0x1161 + index % 588 / 28] + (final == 0 ? [] : [0x11A7 + final])
    }

    /// Sorts marks that follow each other by class; equal classes keep their order.
    private func reorder(_ parts: inout [(scalar: UInt32, class: UInt8)]) {
        var start = 0
        while start < parts.count {
            guard parts[start].class != 0 else {
                start += 1
                continue
            }
            let end = parts[start...].firstIndex { $0.class == 0 } ?? parts.count
            let marks = parts[start..<end].enumerated().sorted {
                ($0.element.class, $0.offset) < ($1.element.class, $1.offset)
            }
            parts.replaceSubrange(start..<end, with: marks.map(\.element))
            start = end
        }
    }

    private func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (0x1100...0x1112).contains(first), (0x1161...0x1175).contains(second) {
            return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
        }
        if (0xAC00...0xD7A3).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8...0x11C2).contains(second) {
            return first + second - 0x11A7
        }
        return compositions[UInt64(first) << 32 | UInt64(second)]
    }
}
