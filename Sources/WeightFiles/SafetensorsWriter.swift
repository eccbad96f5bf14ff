import JSONText

/// Writes F32 tensors as a safetensors file, byte for byte as `safetensors.torch.save_file` does.
public struct SafetensorsWriter {
    /// A writer; it keeps no state.
    public init() {}

    /// A tensor to be written.
    public struct Source {
        public let name: String
        /// Row-major, outermost dimension first.
        public let shape: [Int]
        /// Hands over the numbers, as many as the shape says, as bytes in the order of memory.
        public let read: (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        public init(
            name: String, shape: [Int], read: @escaping (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
        ) {
            self.name = name
            self.shape = shape
            self.read = read
        }
    }

    /// Writes the file, flushed to the disk on return. It is written in place: give a temporary name and rename it.
    /// - Parameters:
    ///   - path: the file to create, or to replace the contents of.
    ///   - tensors: in any order, written by name; names must be unique and shapes must fit the numbers.
    ///   - metadata: goes into `__metadata__`, keys sorted; left out if empty.
    /// - Throws: `WeightFileError` with the system's reason if the file cannot be written.
    public func write(
        to path: String, tensors: [(name: String, shape: [Int], floats: [Float])], metadata: [String: String] = [:]
    ) throws {
        let sources = tensors.map { tensor in
            Source(name: tensor.name, shape: tensor.shape) { body in try tensor.floats.withUnsafeBytes(body) }
        }
        try write(to: path, sources: sources, metadata: metadata)
    }

    /// Writes the file from numbers that stay where they are, flushed to the disk on return.
    /// - Parameters:
    ///   - path: the file to create, or to replace the contents of.
    ///   - sources: in any order, written by name; names must be unique.
    ///   - metadata: goes into `__metadata__`, keys sorted; left out if empty.
    ///   - observe: gets all bytes of the file in their order, for a checksum.
    /// - Throws: `WeightFileError` with the system's reason if the file cannot be written.
    public func write(
        to path: String, sources: [Source], metadata: [String: String] = [:],
        observing observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws {
        let sorted = sources.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let output = try DurableFile(path: path, observing: observe)
        try output.write(Self.header(sorted, metadata))
        for source in sorted {
            let expected = 4 * source.shape.reduce(1, *)
            try source.read { bytes in
                precondition(bytes.count == expected, "\(source.name): shape and numbers differ")
                try output.write(bytes)
            }
        }
        try output.finish()
    }

    /// The length of the header and the header, in bytes.
    private static func header(_ sorted: [Source], _ metadata: [String: String]) -> [UInt8] {
        var members: [(key: String, value: JSON)] = []
        if !metadata.isEmpty {
            let keys = metadata.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            members.append(("__metadata__", .object(JSONObject(keys.map { ($0, .string(metadata[$0]!)) }))))
        }
        var offset = 0
        for (position, tensor) in sorted.enumerated() {
            precondition(
                position == 0 || ByteName(sorted[position - 1].name) != ByteName(tensor.name), "\(tensor.name): twice")
            let end = offset + 4 * tensor.shape.reduce(1, *)
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
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }
}
