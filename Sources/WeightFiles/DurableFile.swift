import Glibc

/// A file being written, whose bytes are on the disk once `finish` has returned.
///
/// It is written in place: give a temporary name and rename it with `FileSystem.rename`. Without `finish` it is closed as it is.
public final class DurableFile {
    private let path: String
    private var descriptor: Int32
    private let observe: (UnsafeRawBufferPointer) -> Void

    /// Creates the file, or empties the one that is there.
    /// - Parameters:
    ///   - path: the file.
    ///   - observe: gets all bytes in their order, for a checksum.
    /// - Throws: `WeightFileError` with the system's reason.
    public init(path: String, observing observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }) throws {
        self.path = path
        self.observe = observe
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("cannot be created") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private func failure(_ what: String) -> WeightFileError {
        WeightFileError(file: path, reason: "\(what): \(systemErrorText())")
    }

    /// Adds bytes at the end.
    /// - Throws: `WeightFileError` with the system's reason, such as a full disk.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        observe(bytes)
        var rest = bytes[...]
        while !rest.isEmpty {
            let chunk = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    /// Adds bytes at the end.
    /// - Throws: `WeightFileError` with the system's reason.
    public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    /// Flushes to the disk and closes.
    /// - Throws: `WeightFileError` with the system's reason.
    public func finish() throws {
        guard fsync(descriptor) == 0 else { throw failure("cannot be flushed to the disk") }
        let closing = descriptor
        descriptor = -1
        guard close(closing) == 0 else { throw failure("cannot be closed") }
    }
}
