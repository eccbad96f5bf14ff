import Glibc

/// A file of known size whose parts are written in any order, also by several processes.
public final class PlacedFile {
    private let path: String
    private var descriptor: Int32

    /// Creates the file with zeros in it, or opens it as another process has created it.
    /// - Parameters:
    ///   - path: the file.
    ///   - byteCount: its size; nil opens what is there.
    /// - Throws: `WeightFileError` with the system's reason, such as a full disk; the file is gone then.
    public init(path: String, byteCount: Int? = nil) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CLOEXEC | (byteCount == nil ? 0 : O_CREAT | O_TRUNC), 0o666)
        guard descriptor >= 0 else { throw failure("cannot be created") }
        guard let byteCount else { return }
        // Room is taken at once: a disk that is too small shows now.
        let code = posix_fallocate(descriptor, 0, byteCount)
        guard code == 0 else {
            unlink(path)
            errno = code
            throw failure("has no room for \(byteCount) bytes")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private func failure(_ what: String) -> WeightFileError {
        WeightFileError(file: path, reason: "\(what): \(systemErrorText())")
    }

    /// Writes bytes at a place.
    /// - Throws: `WeightFileError` with the system's reason.
    public func write(_ bytes: UnsafeRawBufferPointer, at place: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(place + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            done += count
        }
    }

    /// Writes numbers at a place, as they are in memory.
    /// - Throws: `WeightFileError` with the system's reason.
    public func write<Number: BitwiseCopyable>(_ numbers: [Number], at place: Int) throws {
        try numbers.withUnsafeBytes { try write($0, at: place) }
    }

    /// Flushes to the disk and closes.
    /// - Throws: `WeightFileError` with the system's reason.
    public func finish() throws {
        guard fsync(descriptor) == 0 else { throw failure("cannot be flushed to the disk") }
        let closing = descriptor
        descriptor = -1
        guard close(closing) == 0 else { throw failure("cannot be closed") }
    }
}
