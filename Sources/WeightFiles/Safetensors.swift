import JSONText

/// The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the data without gaps.
/// Source: https://github.com/huggingface/safetensors#format
extension TensorCollection {
    /// The tensors of one safetensors file.
    /// - Throws: `WeightFileError` naming the tensor for a header that does not fit the file: a length beyond its end,
    ///   malformed JSON, an unknown dtype, a shape that does not fit the bytes, overlaps, gaps, duplicate names.
    public static func safetensors(at path: String) throws -> TensorCollection {
        try SafetensorsReader(file: MappedFile(path: path)).collection()
    }
}

/// Checks one file's header.
private struct SafetensorsReader {
    let file: MappedFile

    /// The limit that the reference library sets.
    private static let longestHeader = 100_000_000

    func error(_ reason: String) -> WeightFileError { WeightFileError(file: file.path, reason: reason) }

    func error(_ tensor: String, _ reason: String) -> WeightFileError { error("tensor \(tensor): \(reason)") }

    func collection() throws -> TensorCollection {
        let size = file.bytes.count
        guard size >= 8 else {
            throw error("is \(size) bytes long; a safetensors file begins with the 8 bytes of its header's length")
        }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(size - 8) else {
            throw error(
                "the header's length is given as \(length) bytes, but only \(size - 8) follow: the file is truncated or"
                    + " not a safetensors file")
        }
        guard length <= Self.longestHeader else {
            throw error("the header's length is given as \(length) bytes, at most \(Self.longestHeader) were expected")
        }
        let dataStart = 8 + Int(length)
        var tensors: [StoredTensor] = []
        var metadata: [(key: String, value: String)] = []
        var seen: Set<ByteName> = []
        for (name, value) in try header(8..<dataStart).members {
            guard seen.insert(ByteName(name)).inserted else { throw error("the header names \(name) twice") }
            if ByteName(name) == ByteName("__metadata__") {
                metadata = try self.metadata(value)
            } else {
                tensors.append(try tensor(name, value, dataStart: dataStart))
            }
        }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        try checkLayout(tensors, dataStart: dataStart)
        return TensorCollection(path: file.path, tensors: tensors, metadata: metadata)
    }

    private func header(_ range: Range<Int>) throws -> JSONObject {
        do {
            let value = try JSON(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[range]))
            guard let object = value.object else { throw error("the header is \(value.kind), an object was expected") }
            return object
        } catch let cause as JSONError {
            throw error("the header is not valid JSON (header \(cause))")
        }
    }

    private func metadata(_ value: JSON) throws -> [(key: String, value: String)] {
        guard let object = value.object else {
            throw error("__metadata__ is \(value.kind), an object was expected")
        }
        return try object.members.map { key, value in
            guard let text = value.string else {
                throw error("__metadata__ holds \(value.kind) under \(key), a string was expected")
            }
            return (key, text)
        }
    }

    private func tensor(_ name: String, _ value: JSON, dataStart: Int) throws -> StoredTensor {
        guard let object = value.object else {
            throw error(name, "described by \(value.kind), an object was expected")
        }
        for (key, _) in object.members where !["dtype", "shape", "data_offsets"].contains(key) {
            throw error(name, "has the key \(key); dtype, shape and data_offsets were expected")
        }
        guard object.count == 3 else {
            throw error(name, "has \(object.count) keys; dtype, shape and data_offsets were expected")
        }
        guard let dtype = object["dtype"]?.string else { throw error(name, "dtype is missing or not a string") }
        guard let type = Self.types[dtype] else {
            throw error(
                name, "dtype \(dtype) is unknown, expected one of \(Self.types.keys.sorted().joined(separator: ", "))")
        }
        guard let shape = integers(object["shape"]) else {
            throw error(name, "shape is missing or not a list of whole numbers")
        }
        guard let offsets = integers(object["data_offsets"]), offsets.count == 2 else {
            throw error(name, "data_offsets is missing or not a list of two whole numbers")
        }
        let dataSize = file.bytes.count - dataStart
        guard offsets[0] <= offsets[1], offsets[1] <= dataSize else {
            throw error(
                name,
                "data_offsets \(offsets) do not lie within the \(dataSize) bytes of data: the file is truncated"
                    + " or its header is wrong")
        }
        guard let bytes = type.byteCount(shape: shape) else {
            throw error(name, "shape \(shape) has more elements than any file can hold")
        }
        guard bytes == offsets[1] - offsets[0] else {
            throw error(
                name,
                "\(dtype) of shape \(shape) takes \(bytes) bytes, but data_offsets \(offsets) hold"
                    + " \(offsets[1] - offsets[0])")
        }
        return StoredTensor(
            name: name, type: type, shape: shape, file: file, range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    /// Whole numbers ≥ 0, or nil.
    private func integers(_ value: JSON?) -> [Int]? {
        guard let values = value?.array else { return nil }
        var result: [Int] = []
        for value in values {
            guard case .integer(let number) = value, number >= 0 else { return nil }
            result.append(Int(number))
        }
        return result
    }

    /// The data must be covered from its first byte to its last, once. Takes tensors in the order of their offsets.
    private func checkLayout(_ tensors: [StoredTensor], dataStart: Int) throws {
        var end = dataStart
        var previous = "the header"
        for tensor in tensors {
            let start = tensor.range.lowerBound
            guard start >= end else {
                throw error(
                    tensor.name,
                    "begins at data byte \(start - dataStart), inside \(previous), which ends at"
                        + " \(end - dataStart)")
            }
            guard start == end else {
                throw error(
                    tensor.name,
                    "begins at data byte \(start - dataStart), but \(previous) ends at \(end - dataStart):"
                        + " the bytes between belong to no tensor")
            }
            end = tensor.range.upperBound
            previous = "tensor \(tensor.name)"
        }
        guard end == file.bytes.count else {
            throw error("\(file.bytes.count - end) bytes after the end of \(previous) belong to no tensor")
        }
    }

    private static let types: [String: ElementType] = [
        "F32": .f32, "F16": .f16, "BF16": .bf16, "F64": .f64, "I8": .i8, "I16": .i16, "I32": .i32, "I64": .i64,
        "U8": .u8, "U16": .u16, "U32": .u32, "U64": .u64, "BOOL": .bool, "F8_E4M3": .f8_e4m3, "F8_E5M2": .f8_e5m2,
        "F8_E8M0": .f8_e8m0, "C64": .c64,
    ]
}
