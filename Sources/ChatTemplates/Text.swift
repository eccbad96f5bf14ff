/// Where a stretch of text comes from.
enum Source: Equatable, Sendable {
    /// The message with this index.
    case message(Int)
    /// A `{% generation %}` block that belongs to the message with this index.
    case generation(Int)
}

/// A stretch of text with a known source. An empty one says where an empty string was put.
struct Mark: Sendable {
    var start: Int
    var end: Int
    let source: Source
}

/// A string of the template language: valid UTF-8, and which of its bytes came from which message.
///
/// Lengths and positions in the language count scalars (Python's code points); here they are byte offsets.
struct Text: Sendable {
    private(set) var bytes: [UInt8]
    /// Ascending and disjoint. Neighbours of the same message are one mark.
    private(set) var marks: [Mark] = []
    /// Whether Python would hold this as `Markup` (what `safe` and `escape` return): adding plain text escapes that text.
    var isMarkup = false

    init() { bytes = [] }
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init(_ string: String) { bytes = Array(string.utf8) }
    /// Text that comes from one source as a whole.
    init(_ string: String, source: Source?) {
        bytes = Array(string.utf8)
        if let source { marks = [Mark(start: 0, end: bytes.count, source: source)] }
    }
    init(_ scalar: Unicode.Scalar) { bytes = Array(UTF8.encode(scalar)!) }

    var count: Int { bytes.count }
    var isEmpty: Bool { bytes.isEmpty }
    var string: String { String(decoding: bytes, as: UTF8.self) }

    mutating func append(_ other: Text) throws {
        let offset = bytes.count
        try append(other.bytes)
        for mark in other.marks {
            add(Mark(start: mark.start + offset, end: mark.end + offset, source: mark.source))
        }
    }

    mutating func append(_ more: some Collection<UInt8>) throws {
        guard bytes.count + more.count <= Limits.textBytes else { throw Text.tooLong }
        bytes.append(contentsOf: more)
    }

    mutating func append(_ string: String) throws { try append(string.utf8) }

    mutating func append(_ byte: UInt8) throws {
        guard bytes.count < Limits.textBytes else { throw Text.tooLong }
        bytes.append(byte)
    }

    static var tooLong: Fault { Fault("a text grew beyond \(Limits.textBytes) bytes") }

    private mutating func add(_ mark: Mark) {
        if case .message = mark.source, let last = marks.indices.last, marks[last].source == mark.source,
            marks[last].end == mark.start
        {
            marks[last].end = mark.end
        } else {
            marks.append(mark)
        }
    }

    /// Marks everything from `start` on as one stretch of this source, in place of what was marked there.
    mutating func mark(from start: Int, as source: Source) {
        while let last = marks.last, last.start >= start { marks.removeLast() }
        if let last = marks.indices.last, marks[last].end > start { marks[last].end = start }
        add(Mark(start: start, end: bytes.count, source: source))
    }

    /// The bytes of a range that begins and ends between scalars, with their sources. Where a marked stretch shrinks to
    /// nothing its mark stays only if the whole slice is empty, so that stripping white space to "" still says whose.
    func slice(_ range: Range<Int>) -> Text {
        var result = Text(Array(bytes[range]))
        result.isMarkup = isMarkup
        for mark in marks[firstMark(endingFrom: range.lowerBound)...] {
            guard mark.start <= range.upperBound else { break }
            let start = max(mark.start, range.lowerBound)
            let end = min(mark.end, range.upperBound)
            if start < end || mark.start == mark.end || range.isEmpty {
                result.add(Mark(start: start - range.lowerBound, end: end - range.lowerBound, source: mark.source))
            }
        }
        return result
    }

    /// The index of the first mark that ends at an offset or after it.
    private func firstMark(endingFrom offset: Int) -> Int {
        var (low, high) = (0, marks.count)
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].end < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The one message that all marked bytes came from, if there is just one.
    var onlySource: Source? {
        guard let first = marks.first?.source, marks.allSatisfy({ $0.source == first }) else { return nil }
        return first
    }

    /// Other bytes made from this text in a way that does not follow single bytes: as a whole they come from the message
    /// that this text comes from, if that is one message.
    func derived(_ bytes: [UInt8]) -> Text {
        var result = Text(bytes)
        if let onlySource { result.add(Mark(start: 0, end: bytes.count, source: onlySource)) }
        return result
    }

    /// Each scalar replaced by what `replacement` appends for it; sources follow.
    func mapScalars(_ replacement: (_ scalars: [Unicode.Scalar], _ index: Int, _ out: inout [UInt8]) -> Void) -> Text {
        let scalars = self.scalars
        var offsets: [Int] = [0]  // new offset of each old scalar's start
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        for index in scalars.indices {
            replacement(scalars, index, &out)
            offsets.append(out.count)
        }
        var result = Text(out)
        result.isMarkup = isMarkup
        guard !marks.isEmpty else { return result }
        var index = 0
        var old = 0
        func newOffset(_ offset: Int) -> Int {
            while old < offset {
                old += UTF8.width(scalars[index])
                index += 1
            }
            return offsets[index]
        }
        for mark in marks {
            let start = newOffset(mark.start)
            result.add(Mark(start: start, end: newOffset(mark.end), source: mark.source))
        }
        return result
    }
}

extension Text {
    var scalars: [Unicode.Scalar] { Array(string.unicodeScalars) }

    /// The number of scalars.
    var length: Int {
        var length = 0
        for byte in bytes where byte & 0xC0 != 0x80 { length += 1 }
        return length
    }

    /// Where the scalar begins that has so many scalars between it and the one at `start`; the end if there are fewer.
    func offset(ofScalar number: Int, from start: Int = 0) -> Int {
        var offset = start
        var left = number
        while left > 0, offset < bytes.count {
            offset += 1
            while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
            left -= 1
        }
        return offset
    }

    /// Byte offsets of the scalars' starts, and the end.
    var boundaries: [Int] {
        var offsets: [Int] = []
        offsets.reserveCapacity(bytes.count + 1)
        for (offset, byte) in bytes.enumerated() where byte & 0xC0 != 0x80 { offsets.append(offset) }
        offsets.append(bytes.count)
        return offsets
    }

    /// Each scalar as a text of its own.
    var characters: [Text] {
        let offsets = boundaries
        return (1..<max(offsets.count, 1)).map { slice(offsets[$0 - 1]..<offsets[$0]) }
    }
}

extension Text: Equatable, Hashable {
    /// Texts are equal if their bytes are; where they came from does not matter.
    static func == (a: Text, b: Text) -> Bool { a.bytes == b.bytes }
    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

extension UTF8 {
    /// The number of bytes of a scalar.
    static func width(_ scalar: Unicode.Scalar) -> Int {
        scalar.value < 0x80 ? 1 : scalar.value < 0x800 ? 2 : scalar.value < 0x10000 ? 3 : 4
    }
}
