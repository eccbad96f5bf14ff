import Foundation

/// What could be saved at any moment: the last completed update, for a run whose step does not end in time.
///
/// The slabs may be changed only between `beginUpdate` and `endUpdate`, by any rank of the node where ranks share them.
final class LiveState: @unchecked Sendable {
    private let lock = NSLock()
    private var content: CheckpointWriter.Content?

    /// From now on the slabs change.
    func beginUpdate() { lock.lock() }

    /// The slabs are those of `content` from now on; nil where this rank does not save.
    func endUpdate(_ content: CheckpointWriter.Content?) {
        self.content = content
        lock.unlock()
    }

    /// The seconds that an update under way may take to end.
    private static let patience = 10.0

    /// Saves the last completed update in the caller's thread. The slabs stay locked: the process must end after this.
    /// - Parameter patience: the seconds that an update under way may take to end.
    /// - Returns: the checkpoint; nil if no update has been completed.
    /// - Throws: why it could not be written, or that an update does not end, whose slabs are neither old nor new.
    func saveAndKeep(patience: Double = patience) throws -> CheckpointFolder? {
        guard lock.lock(before: Date(timeIntervalSinceNow: patience)) else {
            throw SharedError(
                exitCode: 1,
                description:
                    "a rank of this node stands still amid an update, so that the adapter is half changed; go on from the last "
                    + "checkpoint with --resume auto")
        }
        guard let content else { return nil }
        try CheckpointWriter.save(content, suffix: ".last")
        return content.folder
    }
}
