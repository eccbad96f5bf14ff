import Glibc
import WeightFiles

/// Small files as bytes, with errors that name the file and the system's reason.
enum FileBytes {
    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The bytes of a file, nil if there is none.
    static func read(_ path: String) throws -> [UInt8]? {
        guard exists(path) else { return nil }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let count = bytes.count
            bytes.append(contentsOf: repeatElement(0, count: 65536))
            let got = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress! + count, 65536)
            }
            bytes.removeLast(65536 - max(got, 0))
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure(path, "cannot be read") }
            if got == 0 { return bytes }
        }
    }

    /// Writes a file, flushed to the disk on return.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure(path, "cannot be created") }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "cannot be written") }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw failure(path, "cannot be flushed to the disk") }
    }

    static func makeFolder(_ path: String) throws {
        guard unsafe mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure(path, "cannot be made a folder") }
    }

    static func rename(_ path: String, to name: String) throws {
        guard unsafe Glibc.rename(path, name) == 0 else { throw failure(path, "cannot be renamed to \(name)") }
    }

    /// Makes the names in a folder last, as fsync does the content of a file.
    static func flushFolder(_ path: String) throws {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(path, "cannot be flushed to the disk") }
    }

    private static func failure(_ path: String, _ what: String) -> WeightFileError {
        WeightFileError(file: path, reason: "\(what): \(unsafe String(cString: strerror(errno)))")
    }
}
