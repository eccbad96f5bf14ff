import Glibc

/// A file mapped read-only and shared, so that its pages exist once per machine however many processes read it.
///
/// If the file shrinks while it is mapped, or its disk fails, the process ends with one line that names the file and with
/// exit code 3 (see `BusErrorGuard`).
public final class MappedFile: @unchecked Sendable {
    /// The path as it was given.
    public let path: String
    /// The whole file. Valid as long as this object lives; no alignment beyond that of the file's own layout.
    public let bytes: UnsafeRawBufferPointer
    private let guardSlot: Int?

    /// Maps the file at `path`; a file of 0 bytes gives empty `bytes`.
    /// - Throws: `WeightFileError` if it cannot be opened or is not a regular file.
    public init(path: String) throws {
        self.path = path
        // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw WeightFileError(file: path, reason: "cannot be opened: \(systemErrorText())")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw WeightFileError(file: path, reason: "cannot be examined: \(systemErrorText())")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw WeightFileError(file: path, reason: "is a folder; a file was expected")
        default: throw WeightFileError(file: path, reason: "is not a regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            guardSlot = nil
            return
        }
        guard let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw WeightFileError(file: path, reason: "cannot be mapped: \(systemErrorText())")
        }
        guard let slot = BusErrorGuard.add(start: UInt(bitPattern: base), count: size, path: path) else {
            munmap(base, size)
            throw WeightFileError(
                file: path, reason: "cannot be mapped: \(BusErrorGuard.capacity) files are mapped already")
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
        guardSlot = slot
    }

    deinit {
        guard let guardSlot, let base = bytes.baseAddress else { return }
        BusErrorGuard.remove(guardSlot)
        munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
}

/// The text of `errno`.
func systemErrorText() -> String { String(cString: strerror(errno)) }
