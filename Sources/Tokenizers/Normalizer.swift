/// A step that rewrites the text before it is cut into pieces.
enum Normalizer: Sendable {
    /// Unicode's canonical composition.
    case nfc
    /// Puts a prefix before a text that is not empty.
    case prepend([UInt8])
    case replace(Matcher, with: [UInt8])

    /// How many times as long it may make a text.
    var growth: Int {
        switch self {
        case .nfc: 3
        case .prepend(let prefix): 1 + prefix.count
        case .replace(let matcher, let content): (content.count + matcher.shortestMatch - 1) / matcher.shortestMatch
        }
    }

    /// - Throws: `PatternEffortError`, of a pattern only.
    func apply(_ text: AlignedText) throws(PatternEffortError) -> AlignedText {
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
            try matcher.matches(text.bytes, 0..<text.count) { match in
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
        // The lowest scalar that joins is U+0300, which begins with the byte 0xCC.
        guard bytes.contains(where: { $0 >= 0xCC }) else { return text }
        let composition = Composition.shared
        var result = AlignedText(capacity: text.count)
        var done = 0
        var start = 0
        var stretch: [UInt32] = []
        func flush(to end: Int) {
            guard !stretch.isEmpty, stretch.count > 1 || composition.joins(stretch[0]) else { return }
            let composed = composition.compose(stretch)
            guard composed != stretch else { return }
            let scalars = composed.compactMap { Unicode.Scalar($0) }
            result.append(text, done..<start)
            result.append(Array(String(String.UnicodeScalarView(scalars)).utf8), standingFor: start..<end, of: text)
            done = end
        }
        var position = 0
        while position < bytes.count {
            let scalar = decodeScalar(bytes, position)
            if !composition.joins(scalar.value) {
                flush(to: position)
                start = position
                stretch.removeAll(keepingCapacity: true)
            }
            stretch.append(scalar.value)
            position += scalar.count
        }
        flush(to: position)
        guard done > 0 else { return text }
        result.append(text, done..<text.count)
        return result
    }
}
