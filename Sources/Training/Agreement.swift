public import Collectives

/// A failure that every rank knows of, so that rank 0 alone says it and all ranks end in order.
public struct SharedError: UserFacingError {
    public let exitCode: Int32
    public let description: String

    public init(exitCode: Int32, description: String) {
        self.exitCode = exitCode
        self.description = description
    }
}

extension Communicator {
    /// Makes sure that all ranks found the same, such as the sizes of files that each opened on its own host.
    /// - Parameters:
    ///   - found: what this rank found.
    ///   - what: what it is about, for the message.
    /// - Throws: the same `SharedError` on all ranks if one found something else than rank 0.
    public func agreeOn(_ found: String, what: String) throws {
        let all = try allGather(Array(found.utf8))
        guard let other = all.firstIndex(where: { $0 != all[0] }) else { return }
        throw SharedError(
            exitCode: 3,
            description: "\(what) is not the same on all ranks: rank 0 on \(hostNames[0]) found "
                + "\(String(decoding: all[0], as: UTF8.self)), rank \(other) on \(hostNames[other]) found "
                + "\(String(decoding: all[other], as: UTF8.self)); give all hosts the same files")
    }

    /// Does work that can fail on any rank, such as reading files, and then lets all ranks go on, or all fail together.
    ///
    /// The work itself must not call the communicator: a rank that fails would leave the others waiting.
    /// - Parameter work: what each rank does.
    /// - Returns: what the work returned on this rank.
    /// - Throws: the same `SharedError` on all ranks if the work failed on any: the failure of the first rank that
    ///   has one, with its rank and host unless all ranks failed alike.
    public func together<Result>(_ work: () throws -> Result) throws -> Result {
        var result: Result?
        var failure: [UInt8] = []
        do {
            result = try work()
        } catch {
            failure = [UInt8(truncatingIfNeeded: Training.exitCode(of: error))] + Array("\(error)".utf8)
        }
        let failures = try allGather(failure)
        guard let rank = failures.firstIndex(where: { !$0.isEmpty }) else { return result! }
        let text = String(decoding: failures[rank].dropFirst(), as: UTF8.self)
        let isAlike = failures.allSatisfy { $0 == failures[rank] }
        throw SharedError(
            exitCode: Int32(failures[rank][0]),
            description: isAlike ? text : "rank \(rank) on \(hostNames[rank]): \(text)")
    }
}
