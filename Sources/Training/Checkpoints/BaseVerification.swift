import Foundation
import JSONText
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

/// SHA-256 sums of files, by what the system knows of each.
private enum DigestCache {
    private static var path: String {
        cacheFolder + "/digests.json"
    }

    static func sum(of file: String, tick: () -> Void) throws -> String {
        guard let key = key(of: file) else { return try Digest.ofFile(file, tick: tick) }
        if let known = read()[key]?.string, known.count == 64 { return known }
        let sum = try Digest.ofFile(file, tick: tick)
        // A file that has changed meanwhile is not remembered.
        if self.key(of: file) == key { remember(sum, key) }
        return sum
    }

    private static func key(of file: String) -> String? {
        var status = stat()
        guard unsafe stat(file, &status) == 0 else { return nil }
        return "\(status.st_dev):\(status.st_ino):\(status.st_size):\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }

    private static func read() -> JSONObject {
        guard let bytes = try? FileSystem.read(path), let json = try? JSON(parsing: bytes) else { return JSONObject() }
        return json.object ?? JSONObject()
    }

    /// A cache that cannot be written is no reason to end a run.
    private static func remember(_ sum: String, _ key: String) {
        let members = read().members.suffix(200).filter { $0.key != key } + [(key: key, value: .string(sum))]
        let text = JSON.object(JSONObject(Array(members))).text(indent: 1) + "\n"
        try? FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try? Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }
}
