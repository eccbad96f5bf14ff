/// A range of bytes of a mapped file: a bounds-checked collection that keeps the mapping alive and copies nothing.
public struct MappedBytes: RandomAccessCollection, Sendable {
    /// The file the bytes lie in.
    public let file: MappedFile
    /// Where in the file they lie.
    public let range: Range<Int>

    /// The bytes at offsets `range` from the start of the file, within which they must lie.
    public init(file: MappedFile, range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= file.bytes.count, "range outside the file")
        self.file = file
        self.range = range
    }

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of bytes.
    public var endIndex: Int { range.count }

    /// The byte at this position, counted from the start of the range.
    public subscript(position: Int) -> UInt8 {
        precondition(position >= 0 && position < range.count, "index outside the bytes")
        return file.bytes[range.lowerBound + position]
    }

    /// The text, or nil if the bytes are not valid UTF-8.
    public var text: String? {
        String(validating: UnsafeRawBufferPointer(rebasing: file.bytes[range]), as: UTF8.self)
    }

    /// Calls `body` with the bytes in place.
    public func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result? {
        try withExtendedLifetime(file) {
            try UnsafeRawBufferPointer(rebasing: file.bytes[range]).withMemoryRebound(to: UInt8.self, body)
        }
    }
}
