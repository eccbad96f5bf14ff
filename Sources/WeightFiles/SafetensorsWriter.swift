import Glibc
import JSONText

/// Writes F32 tensors as a safetensors file, byte for byte as `safetensors.torch.save_file` does.
public struct SafetensorsWriter {
    /// A writer; it keeps no state.
    public init() {}

    /// Writes the file, flushed to the disk on return. It is written in place: give a temporary name and rename it.
    /// - Parameters:
    ///   - path: the file to create, or to replace the contents of.
    ///   - tensors: in any order, written by name; names must be unique and shapes must fit the numbers.
    ///   - metadata: goes into `__metadata__`, keys sorted; left out if empty.
    /// - Throws: `WeightFileError` with the system's reason if the file cannot be written.
    public func write(
        to path: String, tensors: [(name: String, shape: [Int], floats: [Float])], metadata: [String: String] = [:]
    ) throws {
        let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var members: [(key: String, value: JSON)] = []
        if !metadata.isEmpty {
            let keys = metadata.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            members.append(("__metadata__", .object(JSONObject(keys.map { ($0, .string(metadata[$0]!)) }))))
        }
        var offset = 0
        for (position, tensor) in sorted.enumerated() {
            precondition(tensor.shape.reduce(1, *) == tensor.floats.count, "\(tensor.name): shape and numbers differ")
            precondition(
                position == 0 || ByteName(sorted[position - 1].name) != ByteName(tensor.name), "\(tensor.name): twice")
            let end = offset + 4 * tensor.floats.count
            members.append(
                (
                    tensor.name,
                    .object(
                        JSONObject([
                            ("dtype", .string("F32")), ("shape", .array(tensor.shape.map { .integer(Int64($0)) })),
                            ("data_offsets", .array([.integer(Int64(offset)), .integer(Int64(end))])),
                        ]))
                ))
            offset = end
        }
        var header = Array(JSON.object(JSONObject(members)).text(compact: true).utf8)
        while !header.count.isMultiple(of: 8) { header.append(UInt8(ascii: " ")) }
        let output = try OutputFile(path: path)
        try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try output.write($0) }
        try header.withUnsafeBytes { try output.write($0) }
        for tensor in sorted { try tensor.floats.withUnsafeBytes { try output.write($0) } }
        try output.finish()
    }
}

/// A file being written; closed by `finish`, or without a check when an error leaves it.
private final class OutputFile {
    private let path: String
    private var descriptor: Int32

    /// Creates the file or empties the one that is there.
    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("cannot be created") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private func failure(_ what: String) -> WeightFileError {
        WeightFileError(file: path, reason: "\(what): \(systemErrorText())")
    }

    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let chunk = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    /// Flushes to the disk and closes.
    func finish() throws {
        guard fsync(descriptor) == 0 else { throw failure("cannot be flushed to the disk") }
        let closing = descriptor
        descriptor = -1
        guard close(closing) == 0 else { throw failure("cannot be closed") }
    }
}
