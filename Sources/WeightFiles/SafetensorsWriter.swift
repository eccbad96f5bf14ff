/// Writes tensors as a safetensors file; F32 tensors byte for byte as `safetensors.torch.save_file` does.
public struct SafetensorsWriter {
    /// A writer; it keeps no state.
    public init() {}

    /// A tensor to be written.
    public struct Source {
        public let entry: SafetensorsLayout.Entry
        /// Hands over the numbers, as many as the shape says, as bytes in the order of memory.
        public let read: (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        public init(
            name: String, type: ElementType = .f32, shape: [Int],
            read: @escaping (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
        ) {
            entry = SafetensorsLayout.Entry(name: name, type: type, shape: shape)
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
    ///   - sources: in any order, written by name, those of wider elements first; names must be unique.
    ///   - metadata: goes into `__metadata__`, keys sorted; left out if empty.
    ///   - observe: gets all bytes of the file in their order, for a checksum.
    /// - Throws: `WeightFileError` with the system's reason if the file cannot be written.
    public func write(
        to path: String, sources: [Source], metadata: [String: String] = [:],
        observing observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws {
        let layout = SafetensorsLayout(sources.map(\.entry), metadata: metadata)
        let readers = Dictionary(uniqueKeysWithValues: sources.map { (ByteName($0.entry.name), $0.read) })
        let output = try DurableFile(path: path, observing: observe)
        try output.write(layout.header)
        for entry in layout.entries {
            try readers[ByteName(entry.name)]! { bytes in
                precondition(bytes.count == entry.byteCount, "\(entry.name): shape and numbers differ")
                try output.write(bytes)
            }
        }
        try output.finish()
    }
}
