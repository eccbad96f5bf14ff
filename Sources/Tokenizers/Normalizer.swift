import Foundation

/// A step that rewrites the text before it is cut into pieces.
enum Normalizer: Sendable {
    /// Unicode's canonical composition.
    case nfc
    /// Puts a prefix before a text that is not empty.
    case prepend([UInt8])
    case replace(Matcher, with: [UInt8])

    func apply(_ text: AlignedText) -> AlignedText {
        guard text.count > 0 else { return text }
        switch self {
        case .nfc: return Self.composed(text)
        case .prepend(let prefix):
            var result = AlignedText(capacity: text.count + prefix.count)
            result.appendPrefix(prefix, before: 0, of: text)
            result.append(text, 0..<text.count)
            return result
        case .replace(let matcher, let replacement):
            var result = AlignedText(capacity: text.count + text.count / 2)
            var done = 0
            matcher.matches(text.bytes, 0..<text.count) { match in
                result.append(text, done..<match.lowerBound)
                result.append(replacement, standingFor: match, of: text)
                done = match.upperBound
            }
            result.append(text, done..<text.count)
            return result
        }
    }

    /// NFC, one stretch after another: a stretch is a scalar and those after it that may be reordered or composed with
    /// what is before them. Each byte of a changed stretch stands for the whole stretch.
    private static func composed(_ text: AlignedText) -> AlignedText {
        let bytes = text.bytes
        let classes = UnicodeClasses.shared
        var result = AlignedText(capacity: text.count)
        var done = 0
        var start = 0
        var position = 0
        // The lowest scalar that joins is U+0300, which begins with the byte 0xCC.
        func flush() {
            let stretch = start..<position
            guard stretch.count > 1, bytes[stretch].contains(where: { $0 >= 0xCC }),
                let composed = compose(bytes, stretch), !composed.elementsEqual(bytes[stretch])
            else { return }
            result.append(text, done..<start)
            result.append(composed, standingFor: stretch, of: text)
            done = position
        }
        while position < bytes.count {
            let scalar = decodeScalar(bytes, position)
            if scalar.value < 0x300 || !classes.joins(scalar.value) {
                flush()
                start = position
            }
            position += scalar.count
        }
        flush()
        guard done > 0 else { return text }
        result.append(text, done..<text.count)
        return result
    }

    /// The composition of one stretch. A first scalar that does not join stays out of the reordering even where the
    /// system's newer Unicode data count it to the marks.
    private static func compose(_ bytes: [UInt8], _ stretch: Range<Int>) -> [UInt8]? {
        let first = decodeScalar(bytes, stretch.lowerBound)
        guard let scalar = Unicode.Scalar(first.value) else { return nil }
        let isNewMark =
            !UnicodeClasses.shared.joins(first.value) && scalar.properties.canonicalCombiningClass != .notReordered
        let kept = isNewMark ? stretch.lowerBound..<stretch.lowerBound + first.count : 0..<0
        let rest = isNewMark ? kept.upperBound..<stretch.upperBound : stretch
        let text = String(decoding: bytes[rest], as: UTF8.self).precomposedStringWithCanonicalMapping
        return bytes[kept] + Array(String(composedHangul(text.unicodeScalars)).utf8)
    }

    /// Joins Hangul syllables of two parts with the final consonant after them, which Foundation leaves apart if the
    /// syllable came as one scalar.   (Unicode Standard, section 3.12)
    private static func composedHangul(_ scalars: String.UnicodeScalarView) -> String.UnicodeScalarView {
        var result = String.UnicodeScalarView()
        var previous: UInt32 = 0
        for scalar in scalars {
            let isOpenSyllable = (0xAC00...0xD7A3).contains(previous) && (previous - 0xAC00) % 28 == 0
            if isOpenSyllable, (0x11A8...0x11C2).contains(scalar.value),
                let joined = Unicode.Scalar(previous + scalar.value - 0x11A7)
            {
                result.removeLast()
                result.append(joined)
                previous = joined.value
            } else {
                result.append(scalar)
                previous = scalar.value
            }
        }
        return result
    }
}
