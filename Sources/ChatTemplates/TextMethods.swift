/// The methods of strings.
enum TextMethod: String, Sendable, CaseIterable {
    case capitalize, casefold, center, count, encode, endswith, expandtabs, find, format, format_map, index, isalnum,
        isalpha, isascii, isdecimal, isdigit, isidentifier, islower, isnumeric, isprintable, isspace, istitle, isupper,
        join, ljust, lower, lstrip, maketrans, partition, removeprefix, removesuffix, replace, rfind, rindex, rjust,
        rpartition, rsplit, rstrip, split, splitlines, startswith, strip, swapcase, title, translate, upper, zfill

    private var parameters: [String] {
        switch self {
        case .split, .rsplit: ["sep", "maxsplit"]
        case .splitlines: ["keepends"]
        case .strip, .lstrip, .rstrip: ["chars"]
        case .replace: ["old", "new", "count"]
        case .find, .rfind, .index, .rindex, .count: ["part", "start", "end"]
        case .startswith, .endswith: ["part", "start", "end"]
        case .removeprefix, .removesuffix, .partition, .rpartition: ["part"]
        case .join: ["iterable"]
        case .center, .ljust, .rjust, .zfill: ["width", "fillchar"]
        default: []
        }
    }

    func call(_ text: Text, _ arguments: Arguments) throws -> Value {
        if self == .format { return .text(try text.formatted(arguments)) }
        let values = try arguments.bound(to: parameters, of: "'\(rawValue)'")
        switch self {
        case .upper: return .text(text.uppercased())
        case .lower: return .text(text.lowercased())
        case .casefold: return .text(text.derived(Array(text.string.casefolded.utf8)))
        case .capitalize: return .text(text.capitalized())
        case .title: return .text(text.titled())
        case .swapcase: return .text(text.swappingCase())
        case .strip: return .text(text.stripped(try values[0].text(for: "the set of characters")))
        case .lstrip: return .text(text.stripped(try values[0].text(for: "the set of characters"), right: false))
        case .rstrip: return .text(text.stripped(try values[0].text(for: "the set of characters"), left: false))
        case .split, .rsplit, .splitlines, .partition, .rpartition: return try pieces(of: text, values)
        case .replace:
            let old = try values[0].required("the text to replace").text(for: "the text to replace")
            let new = try values[1].required("the replacement").text(for: "the replacement")
            return .text(try text.replacing(old, with: new, limit: try values[2].integer(for: "a count", default: -1)))
        case .find, .rfind, .index, .rindex, .count: return .int(try position(in: text, values))
        case .startswith, .endswith: return .bool(try isAtEnd(of: text, values))
        case .removeprefix:
            let part = try values[0].required("the prefix").text(for: "the prefix")
            return .text(text.hasPrefix(part) ? text.slice(part.count..<text.count) : text)
        case .removesuffix:
            let part = try values[0].required("the suffix").text(for: "the suffix")
            return .text(text.hasSuffix(part) ? text.slice(0..<text.count - part.count) : text)
        case .join:
            let pieces = try values[0].required("the list to join").iterated()
            return .text(try text.joining(try pieces.map { try $0.text(for: "what 'join' joins") }))
        case .center, .ljust, .rjust:
            let width = try values[0].required("the width").integer(for: "a width")
            let fill = try values[1].text(for: "the fill character") ?? Text(" ")
            guard fill.length == 1 else { throw Fault("the fill character must be one character") }
            return .text(try text.padded(to: width, with: fill, left: self != .ljust, right: self != .rjust))
        case .zfill:
            let width = try values[0].required("the width").integer(for: "a width")
            let zeros = try Text("0").repeated(max(0, width - text.length))
            let hasSign = text.hasPrefix(Text("-")) || text.hasPrefix(Text("+"))
            return .text(
                try Text().joining(
                    hasSign ? [text.slice(0..<1), zeros, text.slice(1..<text.count)] : [zeros, text]))
        case .isalnum: return .bool(text.all { Text.isLetter($0) || Text.isNumeric($0) })
        case .isalpha: return .bool(text.all(Text.isLetter))
        case .isascii: return .bool(text.bytes.allSatisfy { $0 < 0x80 })
        case .isdecimal: return .bool(text.all(Text.isDecimal))
        case .isdigit: return .bool(text.all(Text.isDigit))
        case .isnumeric: return .bool(text.all(Text.isNumeric))
        case .isprintable: return .bool(text.string.unicodeScalars.allSatisfy(Text.isPrintable))
        case .isspace: return .bool(text.all(Whitespace.contains))
        case .islower: return .bool(text.allCased { $0.isLowercase })
        case .isupper: return .bool(text.allCased { $0.isUppercase })
        case .istitle:
            return .bool(text.allCased { _ in true } && text.titled() == text)
        case .format, .encode, .expandtabs, .format_map, .isidentifier, .maketrans, .translate:
            throw Fault("the string method '\(rawValue)' is not supported")
        }
    }

    private func pieces(of text: Text, _ values: [Value?]) throws -> Value {
        switch self {
        case .splitlines: return .list(try texts(text.lines(keepingEnds: values[0].isTrue(default: false))))
        case .partition, .rpartition:
            let part = try values[0].required("the separator").text(for: "the separator")
            guard !part.isEmpty else { throw Fault("the separator is empty") }
            let isFirst = self == .partition
            let found =
                isFirst ? text.find(part.bytes, from: 0) : text.findLast(part.bytes, from: 0, before: text.count)
            guard let found else {
                return .tuple(try texts(isFirst ? [text, Text(), Text()] : [Text(), Text(), text]))
            }
            let end = found + part.count
            return .tuple(try texts([text.slice(0..<found), text.slice(found..<end), text.slice(end..<text.count)]))
        default:
            let separator = try values[0].text(for: "the separator")
            let limit = try values[1].integer(for: "a number of cuts", default: -1)
            guard let separator else {
                return .list(
                    try texts(self == .split ? text.splitWords(limit: limit) : text.splitWordsFromEnd(limit: limit)))
            }
            guard !separator.isEmpty else { throw Fault("the separator is empty") }
            return .list(
                try texts(
                    self == .split
                        ? text.split(separator, limit: limit) : text.splitFromEnd(separator, limit: limit)))
        }
    }

    private func texts(_ pieces: [Text]) throws -> List { try List(pieces.map { .text($0) }) }

    /// Byte offsets of the scalar positions `start` and `end`, as slices take them.
    private func range(in text: Text, _ start: Value?, _ end: Value?) throws -> (Range<Int>, boundaries: [Int])? {
        let boundaries = text.boundaries
        let length = boundaries.count - 1
        func position(_ value: Value?, _ fallback: Int) throws -> Int {
            guard let value, value.kind != "NoneType" else { return fallback }
            let position = try value.integer(for: "a position")
            return position < 0 ? max(0, position + length) : position
        }
        let lower = try position(start, 0)
        let upper = min(try position(end, length), length)
        return lower > upper ? nil : (boundaries[lower]..<boundaries[upper], boundaries)
    }

    private func position(in text: Text, _ values: [Value?]) throws -> Int {
        let part = try values[0].required("the text to find").text(for: "the text to find")
        guard let (range, boundaries) = try range(in: text, values[1], values[2]) else {
            if self == .index || self == .rindex { throw Fault("substring not found") }
            return self == .count ? 0 : -1
        }
        if self == .count {
            if part.isEmpty { return text.slice(range).length + 1 }
            var count = 0
            var offset = range.lowerBound
            while let found = text.find(part.bytes, from: offset, before: range.upperBound) {
                count += 1
                offset = found + part.count
            }
            return count
        }
        let isFirst = self == .find || self == .index
        let found =
            isFirst
            ? text.find(part.bytes, from: range.lowerBound, before: range.upperBound)
            : text.findLast(part.bytes, from: range.lowerBound, before: range.upperBound)
        if let found { return boundaries.firstIndex(of: found) ?? 0 }
        if self == .index || self == .rindex { throw Fault("substring not found") }
        return -1
    }

    private func isAtEnd(of text: Text, _ values: [Value?]) throws -> Bool {
        let part = try values[0].required("the text to compare with")
        let parts: [Value] = if case .tuple(let list) = part { list.elements } else { [part] }
        let texts = try parts.map { try $0.text(for: "the text to compare with") }
        guard let (range, _) = try range(in: text, values[1], values[2]) else { return false }
        let text = range == 0..<text.count ? text : text.slice(range)
        return texts.contains { self == .startswith ? text.hasPrefix($0) : text.hasSuffix($0) }
    }
}

extension String {
    /// For comparison without regard to case.
    var casefolded: String {
        String(String.UnicodeScalarView(lowercased().unicodeScalars.map { $0 == "ς" ? "σ" : $0 }))
            .replacing("ß", with: "ss")
    }
}
