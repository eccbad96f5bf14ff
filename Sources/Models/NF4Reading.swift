import JSONText
import Tensors
import WeightFiles

/// The names that Transformers gives the parts of a weight that bitsandbytes has quantised, after the weight's own.
enum NF4Names {
    static let state = ".quant_state.bitsandbytes__nf4"
    static let scales = ".absmax"
    static let groups = ".nested_absmax"
    static let scaleMap = ".nested_quant_map"
    static let levels = ".quant_map"
}

extension TensorCollection {
    /// A weight of this name and shape in any format that can be used in place, 4-bit NormalFloat among them.
    /// - Throws: `WeightFileError` that names the file and the tensor.
    func matrix(
        _ name: String, rows: Int, columns: Int, rowOrder: StoredMatrix.RowOrder = .plain
    ) throws -> StoredMatrix {
        guard let state = self[name + NF4Names.state] else {
            return try weight(name, shape: [rows, columns]).matrix(rowOrder: rowOrder)
        }
        return try nf4(name, NF4State(state), rows: rows, columns: columns)
    }

    /// - Throws: `WeightFileError` if a part is missing, has another size, or holds what cannot be.
    private func nf4(_ name: String, _ state: NF4State, rows: Int, columns: Int) throws -> StoredMatrix {
        let sizes = NF4Sizes(elements: rows * columns)
        guard state.shape == [rows, columns] else {
            throw state.error("shape is \(state.shape), expected [\(rows), \(columns)]")
        }
        let levels = try floats(part(name + NF4Names.levels, .f32, 16))
        guard levels == NF4Tensor.levels else {
            throw WeightFileError(
                file: path, reason: "tensor \(name + NF4Names.levels) holds other levels than those of NF4")
        }
        let codes = try part(name, .u8, sizes.codes)
        if let offset = state.offset {
            let scales = try part(name + NF4Names.scales, .u8, sizes.blocks)
            let groups = try part(name + NF4Names.groups, .f32, sizes.groups)
            let map = try floats(part(name + NF4Names.scaleMap, .f32, 256))
            guard map.allSatisfy(\.isFinite) else {
                throw WeightFileError(
                    file: path, reason: "tensor \(name + NF4Names.scaleMap) holds numbers that are NaN or infinite")
            }
            return unsafe StoredMatrix(
                nf4: NF4Parts(
                    codes: codes.bytes, scales: scales.bytes, groups: groups.bytes, map: map, offset: offset),
                rows: rows, columns: columns, owner: codes.file)
        }
        let groups = try part(name + NF4Names.scales, .f32, sizes.blocks)
        return unsafe StoredMatrix(
            nf4: NF4Parts(
                codes: codes.bytes, scales: nil, groups: groups.bytes, map: NF4Tensor.scaleMap, offset: 0),
            rows: rows, columns: columns, owner: codes.file)
    }

    private func part(_ name: String, _ type: ElementType, _ count: Int) throws -> StoredTensor {
        guard let tensor = self[name] else { throw WeightFileError(file: path, reason: "tensor \(name) is missing") }
        guard tensor.type == type, tensor.elementCount == count else {
            throw WeightFileError(
                file: tensor.file.path,
                reason: "tensor \(name) is \(tensor.type.name) of \(tensor.shape), expected \(count) elements of "
                    + type.name)
        }
        return tensor
    }

    private func floats(_ tensor: StoredTensor) -> [Float] {
        unsafe StoredMatrix(
            bytes: tensor.bytes, format: .f32, rows: 1, columns: tensor.elementCount, owner: tensor.file
        ).values
    }
}

/// What a weight's `quant_state` says: JSON in a tensor of bytes.
private struct NF4State {
    let shape: [Int]
    /// Is added to each scale; nil if scales are not quantised themselves.
    let offset: Float?
    private let tensor: StoredTensor

    func error(_ reason: String) -> WeightFileError {
        WeightFileError(file: tensor.file.path, reason: "tensor \(tensor.name): \(reason)")
    }

    init(_ tensor: StoredTensor) throws {
        func wrong(_ reason: String) -> WeightFileError {
            WeightFileError(file: tensor.file.path, reason: "tensor \(tensor.name): \(reason)")
        }
        guard tensor.type == .u8, tensor.elementCount <= 1 << 16 else {
            throw wrong("is \(tensor.type.name) of \(tensor.shape), expected some bytes of JSON")
        }
        let json: JSON
        do { json = try JSON(parsing: unsafe Array(tensor.bytes)) } catch { throw wrong("is not JSON (\(error))") }
        func require(_ key: String, _ expected: JSON) throws {
            guard json[key]?.text() == expected.text() else {
                throw wrong("\(key) is \(json[key]?.text() ?? "missing"), supported is \(expected.text())")
            }
        }
        try require("quant_type", .string("nf4"))
        try require("blocksize", .integer(64))
        let shape = json["shape"]?.array?.compactMap(\.int) ?? []
        guard shape.count == 2 else {
            throw wrong("shape is \(json["shape"]?.text() ?? "missing"), expected two sizes")
        }
        if let nested = json["nested_offset"], !nested.isNull {
            try require("nested_blocksize", .integer(256))
            try require("nested_dtype", .string("float32"))
            guard let offset = nested.double, Float(offset).isFinite else {
                throw wrong("nested_offset is \(nested.text().prefix(40)), expected a number")
            }
            self.offset = Float(offset)
        } else {
            offset = nil
        }
        self.shape = shape
        self.tensor = tensor
    }
}
