/// A text on its way through normalisation, each byte with the place in the original text that it stands for.
struct AlignedText: Sendable {
    /// Bytes of the original text.
    struct Origin: Sendable {
        var start: UInt32
        var end: UInt32
    }

    private(set) var bytes: [UInt8]
    /// One for each byte; nil if the bytes are the original text itself.
    private var origins: [Origin]?

    /// The original text.
    init(original bytes: [UInt8]) { self.bytes = bytes }

    /// A text to be put together.
    init(capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
        var origins: [Origin] = []
        origins.reserveCapacity(capacity)
        self.origins = origins
    }

    var count: Int { bytes.count }

    /// The part of the original text that a range of this text stands for.
    @inline(__always) func original(_ range: Range<Int>) -> Range<Int> {
        guard let origins else { return range }
        guard !range.isEmpty else {
            let place = range.lowerBound < count ? Int(origins[range.lowerBound].start) : Int(origins.last?.end ?? 0)
            return place..<place
        }
        let start = origins[range.lowerBound].start
        return Int(start)..<Int(max(start, origins[range.upperBound - 1].end))
    }

    /// Appends a part of another text as it is.
    mutating func append(_ source: AlignedText, _ range: Range<Int>) {
        bytes.append(contentsOf: source.bytes[range])
        if let known = source.origins {
            origins!.append(contentsOf: known[range])
        } else {
            origins!.append(contentsOf: range.lazy.map { Origin(start: UInt32($0), end: UInt32($0 + 1)) })
        }
    }

    /// Appends bytes that stand for a range of another text.
    mutating func append(_ new: [UInt8], standingFor range: Range<Int>, of source: AlignedText) {
        bytes.append(contentsOf: new)
        let place = source.original(range)
        origins!.append(
            contentsOf: repeatElement(
                Origin(start: UInt32(place.lowerBound), end: UInt32(place.upperBound)), count: new.count))
    }

    /// Appends a prefix to what is at `position` of another text; it stands for the character there.
    mutating func appendPrefix(_ prefix: [UInt8], before position: Int, of source: AlignedText) {
        append(prefix, standingFor: position..<position + decodeScalar(source.bytes, position).count, of: source)
    }
}
