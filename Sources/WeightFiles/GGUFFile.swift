/// A GGUF file, version 2 or 3, little-endian: its metadata and its tensors.
/// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
public struct GGUFFile: Sendable {
    /// All keys and values.
    public let metadata: GGUFMetadata
    /// Names as in the file; shapes row-major, outermost first (the file has them the other way round).
    public let tensors: TensorCollection

    /// Maps the file and checks its header, every metadata value and every tensor's type, shape and place.
    /// - Throws: `WeightFileError` for what is not a GGUF file this program reads: another version or byte order, a part
    ///   of a split file, a type such as IQ4_XS, lengths or places that do not fit the file, duplicate names.
    public init(path: String) throws {
        var cursor = GGUFCursor(file: try MappedFile(path: path))
        try Self.checkVersion(&cursor)
        // A tensor's description takes at least 24 bytes, a key with its value at least 13.
        let tensorCount = try cursor.count(of: 24, "the number of tensors")
        let keyCount = try cursor.count(of: 13, "the number of metadata keys")
        metadata = try Self.readMetadata(&cursor, count: keyCount)
        if let parts = try metadata.int("split.count"), parts > 1 {
            throw cursor.error(
                "is one of the \(parts) parts of a split GGUF; join them first (llama-gguf-split --merge FIRST-PART OUT)"
            )
        }
        tensors = try GGUFTensorReader(alignment: Self.alignment(metadata)).read(&cursor, count: tensorCount)
    }

    private static func checkVersion(_ cursor: inout GGUFCursor) throws {
        let magic = try cursor.take(4, "the 4 bytes \"GGUF\" that begin a GGUF file")
        let found = cursor.file.bytes[magic].map { String($0, radix: 16) }.joined(separator: " ")
        guard cursor.file.bytes[magic].elementsEqual("GGUF".utf8) else {
            throw cursor.error("is not a GGUF file: it begins with the bytes \(found), \"GGUF\" was expected")
        }
        let version = try cursor.number(UInt32.self, "the version")
        switch version {
        case 2, 3: return
        case 1: throw cursor.error("is GGUF version 1; versions 2 and 3 are read: convert the model anew")
        case _ where version & 0xFFFF == 0:
            throw cursor.error("is a big-endian GGUF file; convert it first (gguf-convert-endian FILE little)")
        default: throw cursor.error("is GGUF version \(version); versions 2 and 3 are read")
        }
    }

    private static func alignment(_ metadata: GGUFMetadata) throws -> Int {
        guard let alignment = try metadata.int("general.alignment") else { return 32 }
        guard alignment > 0, alignment <= 1 << 30, alignment & (alignment - 1) == 0 else {
            throw WeightFileError(
                file: metadata.file.path, reason: "general.alignment is \(alignment), a power of two was expected")
        }
        return alignment
    }

    private static func readMetadata(_ cursor: inout GGUFCursor, count: Int) throws -> GGUFMetadata {
        var entries: [GGUFMetadata.Entry] = []
        entries.reserveCapacity(min(count, 1024))
        var seen: Set<ByteName> = []
        for position in 0..<count {
            let key = try cursor.name("metadata key \(position)")
            guard seen.insert(ByteName(key)).inserted else { throw cursor.error("metadata key \(key) is there twice") }
            entries.append(try readEntry(&cursor, key))
        }
        return GGUFMetadata(file: cursor.file, entries: entries)
    }

    private static func readEntry(_ cursor: inout GGUFCursor, _ key: String) throws -> GGUFMetadata.Entry {
        let what = "metadata key \(key)"
        let type = try readType(&cursor, what)
        switch type {
        case .string:
            let range = try cursor.take(try cursor.count(of: 1, "the length of \(what)"), what)
            return GGUFMetadata.Entry(key: key, type: type, range: range, array: nil)
        case .array:
            let start = cursor.offset
            let array = try readArray(&cursor, what)
            return GGUFMetadata.Entry(key: key, type: type, range: start..<cursor.offset, array: array)
        default:
            let range = try cursor.take(type.byteCount!, what)
            if type == .bool { try checkBools(cursor, range, what) }
            return GGUFMetadata.Entry(key: key, type: type, range: range, array: nil)
        }
    }

    private static func readType(_ cursor: inout GGUFCursor, _ what: String) throws -> GGUFValueType {
        let number = try cursor.number(UInt32.self, "the type of \(what)")
        guard let type = GGUFValueType(rawValue: number) else {
            throw cursor.error("\(what) has the type number \(number), which is unknown (0 to 12 are known)")
        }
        return type
    }

    private static func readArray(_ cursor: inout GGUFCursor, _ what: String) throws -> GGUFArray {
        let type = try readType(&cursor, "each element of \(what)")
        switch type {
        case .array: throw cursor.error("\(what) is an array of arrays, which is not read")
        case .string:
            let count = try cursor.count(of: 8, "the number of elements of \(what)")
            return GGUFArray(GGUFStringArray(file: cursor.file, offsets: try cursor.skipStrings(count, what)))
        default:
            let size = type.byteCount!
            let count = try cursor.count(of: size, "the number of elements of \(what)")
            let range = try cursor.take(count * size, what)
            if type == .bool { try checkBools(cursor, range, what) }
            return GGUFArray(file: cursor.file, elementType: type, count: count, start: range.lowerBound)
        }
    }

    private static func checkBools(_ cursor: GGUFCursor, _ range: Range<Int>, _ what: String) throws {
        if let wrong = cursor.file.bytes[range].first(where: { $0 > 1 }) {
            throw cursor.error("\(what) is a bool with the value \(wrong), 0 or 1 was expected")
        }
    }
}
