import Foundation

/// What could be saved at any moment: the last completed update, for a run whose step does not end in time.
///
/// The slabs may be changed only between `beginUpdate` and `endUpdate`.
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

    /// Saves the last completed update in the caller's thread. The slabs stay locked: the process must end after this.
    /// - Returns: the checkpoint; nil if no update has been completed.
    /// - Throws: why it could not be written.
    func saveAndKeep() throws -> CheckpointFolder? {
        lock.lock()
        guard let content else { return nil }
        try CheckpointWriter.save(content, suffix: ".last")
        return content.folder
    }
}
