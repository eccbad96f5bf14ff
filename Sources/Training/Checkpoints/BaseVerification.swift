import Foundation
import Models
import Synchronization
import WeightFiles

/// The SHA-256 of all of a base's weights, computed in a thread of low priority while training goes on. A sum is remembered by
/// device, inode, size and time of a file, in `~/.cache/lora-dist/digests.json`.
final class BaseVerification: Sendable {
    private let result = Mutex<Result<String, any Error>?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    private let isOn: Bool

    /// Starts the thread, where `isOn`.
    init(_ base: BaseModel, tick: @escaping @Sendable () -> Void = {}, isOn: Bool) {
        self.isOn = isOn
        guard isOn else { return }
        let paths = base.files.map(\.file.path)
        let thread = Thread {
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
            let found = Result {
                Digest.of(try paths.map { try DigestCache.sum(of: $0, tick: tick) }.joined(separator: "\n"))
            }
            self.result.withLock { $0 = found }
            self.ended.signal()
        }
        thread.name = "base digest"
        thread.start()
    }

    /// The sum, if it is known by now.
    var sum: String? { result.withLock { try? $0?.get() } }

    /// Waits for the sum.
    /// - Returns: nil where it is not on.
    /// - Throws: `WeightFileError` if a file cannot be read.
    func wait() throws -> String? {
        guard isOn else { return nil }
        ended.wait()
        ended.signal()
        return try result.withLock { try $0!.get() }
    }
}
