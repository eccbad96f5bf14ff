import JSONText

/// Where each tensor of a safetensors file stands, known before any of them is.
public struct SafetensorsLayout: Sendable {
    /// A tensor to be.
    public struct Entry: Sendable {
        public let name: String
        public let type: ElementType
        /// Row-major, outermost dimension first.
        public let shape: [Int]

        public init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }

        /// Bytes of the elements.
        public var byteCount: Int { type.byteCount(shape: shape)! }
    }

    /// In the order of the file: wider elements first, so that each tensor is aligned to its elements, then by name.
    public let entries: [Entry]
    /// The length of the header and the header, in bytes.
    public let header: [UInt8]
    /// Bytes of the whole file.
    public let byteCount: Int
    private let starts: [ByteName: Int]

    /// - Parameters:
    ///   - entries: in any order; names must be unique.
    ///   - metadata: goes into `__metadata__`, keys sorted; left out if empty.
    public init(_ entries: [Entry], metadata: [String: String] = [:]) {
        let sorted = entries.sorted {
            $0.type.blockBytes == $1.type.blockBytes
                ? $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) : $0.type.blockBytes > $1.type.blockBytes
        }
        self.entries = sorted
        var members: [(key: String, value: JSON)] = []
        if !metadata.isEmpty {
            let keys = metadata.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            members.append(("__metadata__", .object(JSONObject(keys.map { ($0, .string(metadata[$0]!)) }))))
        }
        var offsets: [ByteName: Int] = [:]
        var offset = 0
        for entry in sorted {
            precondition(offsets.updateValue(offset, forKey: ByteName(entry.name)) == nil, "\(entry.name): twice")
            let end = offset + entry.byteCount
            members.append(
                (
                    entry.name,
                    .object(
                        JSONObject([
                            ("dtype", .string(entry.type.name)),
                            ("shape", .array(entry.shape.map { .integer(Int64($0)) })),
                            ("data_offsets", .array([.integer(Int64(offset)), .integer(Int64(end))])),
                        ]))
                ))
            offset = end
        }
        var text = Array(JSON.object(JSONObject(members)).text(compact: true).utf8)
        while !text.count.isMultiple(of: 8) { text.append(UInt8(ascii: " ")) }
        header = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
        let first = header.count
        starts = offsets.mapValues { $0 + first }
        byteCount = first + offset
    }

    /// Where a tensor begins in the file.
    public func start(of name: String) -> Int { starts[ByteName(name)]! }
}
