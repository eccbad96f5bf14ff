/// What is wrong with a data file, and where: `FILE:LINE: reason`, or `FILE: reason` if no single line is to blame.
public struct DatasetError: Error, CustomStringConvertible, Sendable {
    /// The path as the user gave it; nil if the data as a whole is meant.
    public let file: String?
    /// The line, from 1, blank lines counted.
    public let line: Int?
    /// What was found, what was expected, what to do.
    public let reason: String

    public init(file: String? = nil, line: Int? = nil, reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }

    public var description: String {
        guard let file else { return reason }
        guard let line else { return "\(file): \(reason)" }
        return "\(file):\(line): \(reason)"
    }
}

/// What is wrong with one row; the file and the line are added by whoever knows them.
struct RowError: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
