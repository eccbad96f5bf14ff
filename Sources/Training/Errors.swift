/// An error whose description is meant for the user: what was found, where, and what to do about it.
public protocol UserFacingError: Error, CustomStringConvertible {
    /// The exit code of a command that ends with this error: 2 for wrong usage or config, 3 for wrong input data or
    /// files, 1 for anything else.
    var exitCode: Int32 { get }
}

/// A config that cannot be followed.
public struct ConfigError: UserFacingError {
    /// Where the value was given, for example `configs/quickstart.yaml:12` or `--set`; nil if it was not given.
    public let origin: String?
    /// The key, for example `training.learning_rate`; empty for what concerns no single key.
    public let key: String
    public let reason: String

    public init(key: String = "", reason: String, origin: String? = nil) {
        self.key = key
        self.reason = reason
        self.origin = origin
    }

    public var exitCode: Int32 { 2 }
    public var description: String {
        [origin ?? "", key, reason].filter { !$0.isEmpty }.joined(separator: ": ")
    }
}

/// Data or a file that cannot be used.
public struct InputError: UserFacingError {
    /// The file, with its line where that is known: `train.jsonl` or `train.jsonl:12`.
    public let place: String
    public let reason: String

    public init(_ place: String, line: Int? = nil, reason: String) {
        self.place = line.map { "\(place):\($0)" } ?? place
        self.reason = reason
    }

    public var exitCode: Int32 { 3 }
    public var description: String { "\(place): \(reason)" }
}

/// The exit code of a command that ends with an error of any kind.
public func exitCode(of error: any Error) -> Int32 { (error as? any UserFacingError)?.exitCode ?? 1 }
