import Foundation
import JSONText
import WeightFiles

/// SHA-256 sums of files, remembered by what the system knows of each: device, inode, size and time.
enum DigestCache {
    private static var path: String {
        cacheFolder + "/digests.json"
    }

    /// The sum of a file, read if it is not known.
    /// - Throws: `WeightFileError` if it cannot be read.
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
