internal import Foundation
internal import JSONText
internal import WeightFiles

/// A mapped JSONL file with an index of its rows: 8 bytes a row, nothing parsed.
/// Lines end with LF or CR LF; lines of white space alone are no rows, but count in line numbers; a UTF-8 byte order mark
/// is skipped.
struct RowFile: Sendable {
    let path: String
    private let file: MappedFile
    /// Where each row begins, in bytes from the start of the file.
    private let starts: [Int]

    /// Maps the file and finds its rows.
    /// - Throws: `DatasetError` for a file that is missing, empty, or plainly not JSONL.
    init(path: String) throws {
        self.path = path
        do {
            file = try MappedFile(path: path)
        } catch let error as WeightFileError {
            throw DatasetError(file: path, reason: error.reason)
        }
        let bytes = unsafe file.bytes
        guard unsafe !bytes.isEmpty else { throw DatasetError(file: path, reason: "the file is empty") }
        if let reason = unsafe Self.foreignFormat(bytes, path: path) { throw DatasetError(file: path, reason: reason) }
        let first = unsafe bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        starts = unsafe Self.rowStarts(bytes, from: first)
        guard let row = starts.first else {
            throw DatasetError(file: path, reason: "the file has no rows, only blank lines")
        }
        if unsafe bytes[row] == UInt8(ascii: "[") {
            throw DatasetError(
                file: path,
                reason: "a JSON array where JSONL (one JSON object per line) is expected; "
                    + "convert it: jq -c '.[]' \(path) > \(Self.suggestedName(path))")
        }
    }

    /// Rows in the file.
    var count: Int { starts.count }

    /// The most bytes of a row. As JSON in memory it is some twenty times as much.
    private static let longestRow = 64 << 20

    /// Parses one row.
    /// - Throws: `DatasetError` with file and line if it is not a JSON object.
    func object(_ row: Int) throws -> JSONObject {
        let range = range(row)
        guard range.count <= Self.longestRow else {
            throw failure(
                row, "the row has \(range.count) bytes, at most \(Self.longestRow) are read: is a line break missing?")
        }
        let value: JSON
        do throws(JSONError) {
            value = try unsafe JSON(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[range]))
        } catch {
            throw failure(row, "column \(error.column): \(error.reason) (each line must hold one whole JSON object)")
        }
        guard case .object(let object) = value else {
            throw failure(row, "the row is \(value.kind); expected an object")
        }
        return object
    }

    /// An error about this row.
    func failure(_ row: Int, _ reason: String) -> DatasetError {
        DatasetError(file: path, line: line(row), reason: reason)
    }

    /// The line of the row, from 1; found by counting, as only messages need it.
    func line(_ row: Int) -> Int {
        let before = unsafe file.bytes[..<starts[row]]
        return unsafe before.reduce(into: 1) { if $1 == UInt8(ascii: "\n") { $0 += 1 } }
    }

    /// The bytes of a row without the line's end.
    private func range(_ row: Int) -> Range<Int> {
        let start = starts[row]
        return unsafe start..<Self.lineEnd(file.bytes, from: start)
    }

    /// Where the line that holds `start` ends: its LF, or the end of the file.
    private static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = unsafe memchr(base + start, 0x0A, bytes.count - start)
        else { return bytes.count }
        return unsafe UnsafeRawPointer(found) - base
    }

    /// The first byte of each line that is no white space, for lines that have one.
    private static func rowStarts(_ bytes: UnsafeRawBufferPointer, from first: Int) -> [Int] {
        var starts: [Int] = []
        var lineStart = first
        while lineStart < bytes.count {
            let end = unsafe lineEnd(bytes, from: lineStart)
            var start = lineStart
            while start < end, unsafe isSpace(bytes[start]) { start += 1 }
            if start < end { starts.append(start) }
            lineStart = end + 1
        }
        return starts
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    /// What to say of a file that begins like something else.
    private static func foreignFormat(_ bytes: UnsafeRawBufferPointer, path: String) -> String? {
        let formats: [(magic: [UInt8], reason: String)] = [
            ([0xFF, 0xFE], "the text is UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8"),
            ([0xFE, 0xFF], "the text is UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8"),
            ([0x1F, 0x8B], "the file is gzip-compressed; unpack it: gunzip \(path)"),
            ([0x28, 0xB5, 0x2F, 0xFD], "the file is Zstandard-compressed; unpack it: unzstd \(path)"),
            (Array("PAR1".utf8), "the file is Parquet; JSONL (one JSON object per line) is expected"),
        ]
        return formats.first { unsafe bytes.starts(with: $0.magic) }?.reason
    }

    /// `data.json` → `data.jsonl`; any other name gets `.jsonl` appended.
    private static func suggestedName(_ path: String) -> String {
        path.hasSuffix(".json") ? path + "l" : path + ".jsonl"
    }
}
