/// Finding, cutting, stripping and replacing, as Python's `str` does; every piece keeps its sources.
extension Text {
    /// The offset of the first `part` at or after an offset and before `end`.
    func find(_ part: [UInt8], from start: Int, before end: Int? = nil) -> Int? {
        let end = end ?? bytes.count
        guard let first = part.first else { return start <= end ? start : nil }
        if part.count > Search.longPart { return Search.first(part, in: bytes, from: start, before: end) }
        var offset = start
        while offset + part.count <= end {
            if bytes[offset] == first && bytes[offset..<offset + part.count].elementsEqual(part) { return offset }
            offset += 1
        }
        return nil
    }

    /// The offset of the last `part` between two offsets.
    func findLast(_ part: [UInt8], from start: Int, before end: Int) -> Int? {
        if part.count > Search.longPart { return Search.last(part, in: bytes, from: start, before: end) }
        var offset = end - part.count
        while offset >= start {
            if bytes[offset..<offset + part.count].elementsEqual(part) { return offset }
            offset -= 1
        }
        return nil
    }

    /// Without the scalars of `set` (white space if nil) at the ends asked for.
    func stripped(_ set: Text?, left: Bool = true, right: Bool = true) -> Text {
        var start = 0
        var end = bytes.count
        if let set {
            let set = Set(set.scalars)
            let scalars = self.scalars[...]
            if left {
                for scalar in scalars {
                    guard set.contains(scalar) else { break }
                    start += UTF8.width(scalar)
                }
            }
            if right {
                for scalar in scalars.reversed() {
                    guard end > start, set.contains(scalar) else { break }
                    end -= UTF8.width(scalar)
                }
            }
        } else {
            if left { start = Whitespace.end(in: bytes, from: 0) }
            if right { end = Whitespace.start(in: bytes, before: end, from: start) }
        }
        return slice(start..<end)
    }

    /// Pieces between separators: all, or at most `limit` cuts.
    func split(_ separator: Text, limit: Int = -1) -> [Text] {
        var pieces: [Text] = []
        var start = 0
        while limit < 0 || pieces.count < limit, let next = find(separator.bytes, from: start) {
            pieces.append(slice(start..<next))
            start = next + separator.count
        }
        return pieces + [slice(start..<count)]
    }

    /// As `split`, cutting from the end.
    func splitFromEnd(_ separator: Text, limit: Int) -> [Text] {
        var pieces: [Text] = []
        var end = count
        while limit < 0 || pieces.count < limit, let next = findLast(separator.bytes, from: 0, before: end) {
            pieces.append(slice(next + separator.count..<end))
            end = next
        }
        return (pieces + [slice(0..<end)]).reversed()
    }

    /// Words between white space, at most `limit` cuts; what follows the last cut keeps its white space at the end.
    func splitWords(limit: Int = -1) -> [Text] {
        var pieces: [Text] = []
        var offset = Whitespace.end(in: bytes, from: 0)
        while offset < count {
            if limit >= 0 && pieces.count == limit {
                pieces.append(slice(offset..<count))
                break
            }
            let start = offset
            while offset < count, Whitespace.width(in: bytes, at: offset) == 0 { offset += 1 }
            pieces.append(slice(start..<offset))
            offset = Whitespace.end(in: bytes, from: offset)
        }
        return pieces
    }

    /// As `splitWords`, cutting from the end.
    func splitWordsFromEnd(limit: Int) -> [Text] {
        var pieces: [Text] = []
        var end = Whitespace.start(in: bytes, before: count, from: 0)
        while end > 0 {
            if limit >= 0 && pieces.count == limit {
                pieces.append(slice(0..<end))
                break
            }
            var start = end
            while start > 0, !isWhitespace(endingAt: start) { start -= 1 }
            pieces.append(slice(start..<end))
            end = Whitespace.start(in: bytes, before: start, from: 0)
        }
        return pieces.reversed()
    }

    private func isWhitespace(endingAt end: Int) -> Bool { Whitespace.start(in: bytes, before: end, from: 0) < end }

    /// The lines, at all the line ends that Python knows.
    func lines(keepingEnds: Bool = false) -> [Text] {
        var lines: [Text] = []
        var start = 0
        var offset = 0
        while offset < count {
            let width = lineEnd(at: offset)
            if width > 0 {
                lines.append(slice(start..<(keepingEnds ? offset + width : offset)))
                start = offset + width
            }
            offset += max(width, 1)
        }
        if start < count { lines.append(slice(start..<count)) }
        return lines
    }

    private func lineEnd(at offset: Int) -> Int {
        switch bytes[offset] {
        case 0x0D: offset + 1 < count && bytes[offset + 1] == 0x0A ? 2 : 1
        case 0x0A...0x0C, 0x1C...0x1E: 1
        case 0xC2: offset + 1 < count && bytes[offset + 1] == 0x85 ? 2 : 0
        case 0xE2:
            offset + 2 < count && bytes[offset + 1] == 0x80 && (bytes[offset + 2] == 0xA8 || bytes[offset + 2] == 0xA9)
                ? 3 : 0
        default: 0
        }
    }

    /// Every `old` replaced by `new`: all, or the first `limit`. An empty `old` is between all scalars.
    func replacing(_ old: Text, with new: Text, limit: Int = -1) throws -> Text {
        var result = Text()
        result.isMarkup = isMarkup
        if old.isEmpty {
            let pieces = characters
            for (i, piece) in pieces.enumerated() {
                if limit < 0 || i < limit { try result.append(new) }
                try result.append(piece)
            }
            if limit < 0 || pieces.count < limit { try result.append(new) }
            return result
        }
        var start = 0
        var done = 0
        while limit < 0 || done < limit, let next = find(old.bytes, from: start) {
            try result.append(slice(start..<next))
            try result.append(new)
            start = next + old.count
            done += 1
        }
        if done == 0 { return self }
        try result.append(slice(start..<count))
        return result
    }

    /// The texts one after another with this text between them.
    func joining(_ pieces: [Text]) throws -> Text {
        var result = Text()
        for (i, piece) in pieces.enumerated() {
            if i > 0 { try result.append(self) }
            try result.append(piece)
        }
        return result
    }

    func hasPrefix(_ prefix: Text) -> Bool { bytes.starts(with: prefix.bytes) }
    func hasSuffix(_ suffix: Text) -> Bool { bytes.suffix(suffix.count).elementsEqual(suffix.bytes) }

    /// Filled up on one or both sides to `width` scalars.
    func padded(to width: Int, with fill: Text = Text(" "), left: Bool, right: Bool) throws -> Text {
        let missing = width - length
        guard missing > 0 else { return self }
        // Python's center puts the odd one left only if the width is odd.
        let before = left && right ? missing / 2 + (missing & width & 1) : left ? missing : 0
        var result = try fill.repeated(before)
        try result.append(self)
        try result.append(try fill.repeated(missing - before))
        return result
    }
}
