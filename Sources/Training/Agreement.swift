public import Collectives

/// A failure that all ranks know of: they end together, and one of them says why.
public struct AgreedFailure: UserFacingError {
    /// The rank that failed, and whether it is the only one to report: this one.
    public let rank: Int
    public let isReportedHere: Bool
    public let text: String
    public let exitCode: Int32
    public var description: String { text }
}

extension Communicator {
    /// Runs `body` on every rank and lets all know whether it failed anywhere, so that no rank goes on alone or waits for
    /// one that ended.
    /// - Throws: `AgreedFailure` on all ranks if any of them failed.
    public func agree<Value>(_ body: () throws -> Value) throws -> Value {
        var value: Value?
        var failure: String?
        do { value = try body() } catch { failure = "\(exitCode(of: error)) \(error)" }
        if let (failed, text) = try firstFailure(failure) {
            let parts = text.split(separator: " ", maxSplits: 1)
            throw AgreedFailure(
                rank: failed, isReportedHere: failed == rank, text: String(parts[1]), exitCode: Int32(parts[0]) ?? 1)
        }
        return value!
    }
}
