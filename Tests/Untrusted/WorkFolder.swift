import Foundation

/// A folder of this process for files that readers want by path, and the fixtures of the other tests.
struct WorkFolder: Sendable {
    static let shared = WorkFolder()
    let path: String
    /// The repository's `Tests`.
    static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path

    /// In memory where the system has such a place: a fuzzer writes thousands of files a second.
    private init() {
        let root = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        path = "\(root)/lora-dist-untrusted-\(getpid())"
        atexit {
            // The shared instance is there by now, or the function would not have been registered.
            try? FileManager.default.removeItem(atPath: WorkFolder.shared.path)
        }
    }

    /// The bytes of a file below `Tests`.
    static func fixture(_ name: String) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: "\(tests)/\(name)") else {
            preconditionFailure("\(tests)/\(name) cannot be read")
        }
        return Array(data)
    }

    /// Writes a file into a folder of this name; gives the folder's path.
    @discardableResult func put(_ bytes: [UInt8], _ name: String, in folder: String) -> String {
        let directory = "\(path)/\(folder)"
        if !FileManager.default.fileExists(atPath: directory) {
            precondition(
                (try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)) != nil,
                "\(directory) cannot be made")
        }
        // A new file each time: what is mapped still must not change.
        unlink("\(directory)/\(name)")
        let descriptor = open("\(directory)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0, "\(directory)/\(name) cannot be made")
        defer { close(descriptor) }
        let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        precondition(written == bytes.count, "\(directory)/\(name) cannot be written")
        return directory
    }

    /// Writes a fixture into a folder unless it is there already.
    func place(_ fixture: String, as name: String, in folder: String) {
        guard !FileManager.default.fileExists(atPath: "\(path)/\(folder)/\(name)") else { return }
        put(Self.fixture(fixture), name, in: folder)
    }
}
