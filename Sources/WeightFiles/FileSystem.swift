import Glibc

/// Files and folders by their paths, with errors that name the path and the system's reason.
public enum FileSystem {
    /// Whether there is anything of this name.
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The bytes of a file, nil if there is none.
    /// - Throws: `WeightFileError`.
    public static func read(_ path: String) throws -> [UInt8]? {
        guard exists(path) else { return nil }
        var bytes: [UInt8] = []
        try read(path) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Reads a file from its begin to its end, piece by piece.
    /// - Throws: `WeightFileError`, or what `body` throws.
    public static func read(_ path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { piece.deallocate() }
        while true {
            let count = Glibc.read(descriptor, piece.baseAddress, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, "cannot be read") }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    /// Writes a file, flushed to the disk on return.
    /// - Throws: `WeightFileError`.
    public static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try DurableFile(path: path)
        try file.write(bytes)
        try file.finish()
    }

    /// Makes a folder, if it is not there; its parent must be.
    /// - Throws: `WeightFileError`.
    public static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure(path, "cannot be made a folder") }
    }

    /// Gives a file or folder another name, at once.
    /// - Throws: `WeightFileError`.
    public static func rename(_ path: String, to name: String) throws {
        guard Glibc.rename(path, name) == 0 else { throw failure(path, "cannot be renamed to \(name)") }
    }

    /// Makes the names in a folder last, as fsync does the content of a file.
    /// - Throws: `WeightFileError`.
    public static func flushFolder(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(path, "cannot be flushed to the disk") }
    }

    private static func failure(_ path: String, _ what: String) -> WeightFileError {
        WeightFileError(file: path, reason: "\(what): \(systemErrorText())")
    }
}
