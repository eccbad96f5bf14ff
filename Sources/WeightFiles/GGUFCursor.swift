/// Reads a GGUF header from front to back; every read is checked against the end of the file.
struct GGUFCursor {
    let file: MappedFile
    var offset = 0

    init(file: MappedFile) { self.file = file }

    var remaining: Int { file.bytes.count - offset }

    func error(_ reason: String) -> WeightFileError { WeightFileError(file: file.path, reason: reason) }

    func truncated(_ what: String) -> WeightFileError {
        error("the file ends at byte \(file.bytes.count), inside \(what): it is truncated or a length in it is wrong")
    }

    /// Skips `count` bytes and gives where they lie.
    mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws -> Range<Int> {
        guard count >= 0, count <= remaining else { throw truncated(what()) }
        defer { offset += count }
        return offset..<offset + count
    }

    mutating func number<T: FixedWidthInteger>(_ type: T.Type, _ what: @autoclosure () -> String) throws -> T {
        let range = try take(MemoryLayout<T>.size, what())
        return T(littleEndian: file.bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self))
    }

    /// A 64-bit count or length of things that take at least `unit` bytes each.
    mutating func count(of unit: Int, _ what: @autoclosure () -> String) throws -> Int {
        let value = try number(UInt64.self, what())
        guard value <= UInt64(remaining / unit) else {
            throw error("\(what()) is given as \(value), more than the \(remaining) bytes that follow can hold")
        }
        return Int(value)
    }

    /// Skips `count` strings and gives where each one's length lies. Vocabularies have 10⁵ of them: a tight loop.
    mutating func skipStrings(_ count: Int, _ what: String) throws -> [Int] {
        let bytes = file.bytes
        var position = offset
        let offsets = try [Int](unsafeUninitializedCapacity: count) { buffer, initialized in
            for i in 0..<count {
                guard bytes.count - position >= 8 else { throw truncated("the length of element \(i) of \(what)") }
                let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                guard length <= UInt64(bytes.count - position - 8) else {
                    throw error(
                        "the length of element \(i) of \(what) is given as \(length), more than the"
                            + " \(bytes.count - position - 8) bytes that follow can hold")
                }
                buffer[i] = position
                initialized = i + 1
                position += 8 + Int(length)
            }
        }
        offset = position
        return offsets
    }

    /// A string that must be UTF-8: a key or a tensor's name.
    mutating func name(_ what: @autoclosure () -> String) throws -> String {
        let count = try count(of: 1, "the length of \(what())")
        guard count <= 65535 else { throw error("\(what()) is \(count) bytes long, at most 65535 were expected") }
        let range = try take(count, what())
        guard let text = MappedBytes(file: file, range: range).text else { throw error("\(what()) is not valid UTF-8") }
        return text
    }
}
