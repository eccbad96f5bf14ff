/// Files that are read as a whole: configurations, vocabularies, templates.
public enum SmallFile {
    /// The most bytes that are read. The largest vocabularies have a quarter of this; as JSON in memory it is some twenty
    /// times as much.
    public static let limit = 128 << 20

    /// The bytes of a file.
    /// - Throws: `WeightFileError` if it cannot be opened, is not a regular file or has more than `limit` bytes.
    public static func bytes(_ path: String) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        guard file.bytes.count <= limit else {
            throw WeightFileError(
                file: path, reason: "has \(file.bytes.count) bytes; a file of this kind may have \(limit)")
        }
        return Array(file.bytes)
    }
}
