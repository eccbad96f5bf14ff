import JSONText
public import Tensors
public import WeightFiles

/// A safetensors file of a model to be written, by one process or by several that share the tensors.
public struct ModelFile: Sendable {
    /// What a tensor is written as.
    public enum Form: Sendable, Equatable {
        case f32, f16, bf16
        /// 4-bit NormalFloat with double quantisation, in the parts and under the names of Transformers and bitsandbytes.
        case nf4
    }

    /// One tensor.
    public struct Item: Sendable {
        public let name: String
        /// Row-major; a vector has one size.
        public let shape: [Int]
        public let form: Form
        /// Gives the numbers, as (rows, columns) or (1, length).
        public let source: @Sendable (Workers) -> StoredMatrix

        public init(
            name: String, shape: [Int], form: Form, source: @escaping @Sendable (Workers) -> StoredMatrix
        ) {
            self.name = name
            self.shape = shape
            self.form = form
            self.source = source
        }

        /// The tensors of the file that it becomes.
        var entries: [SafetensorsLayout.Entry] {
            typealias Entry = SafetensorsLayout.Entry
            switch form {
            case .f32: return [Entry(name: name, type: .f32, shape: shape)]
            case .f16: return [Entry(name: name, type: .f16, shape: shape)]
            case .bf16: return [Entry(name: name, type: .bf16, shape: shape)]
            case .nf4:
                let sizes = NF4Sizes(elements: shape.reduce(1, *))
                return [
                    Entry(name: name, type: .u8, shape: [sizes.codes, 1]),
                    Entry(name: name + NF4Names.scales, type: .u8, shape: [sizes.blocks]),
                    Entry(name: name + NF4Names.groups, type: .f32, shape: [sizes.groups]),
                    Entry(name: name + NF4Names.scaleMap, type: .f32, shape: [256]),
                    Entry(name: name + NF4Names.levels, type: .f32, shape: [16]),
                    Entry(name: name + NF4Names.state, type: .u8, shape: [Self.stateBytes]),
                ]
            }
        }

        /// Bytes of the JSON that describes a quantised weight, filled up with spaces.
        static let stateBytes = 256

        /// Bytes in the file.
        public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
    }

    public let items: [Item]
    public let layout: SafetensorsLayout

    public init(_ items: [Item]) {
        self.items = items
        layout = SafetensorsLayout(items.flatMap(\.entries), metadata: ["format": "pt"])
    }

    /// Writes the header, once, and this process's share of the tensors.
    /// - Parameters:
    ///   - file: of `layout.byteCount` bytes.
    ///   - part: of all that write.
    ///   - parts: how many there are.
    ///   - workers: share the work on a tensor.
    ///   - report: told of each tensor that is written.
    /// - Throws: `WeightFileError` if the file cannot be written; `ModelError` for a weight that cannot be quantised.
    public func write(
        to file: PlacedFile, part: Int = 0, of parts: Int = 1, on workers: Workers, report: (Item) -> Void = { _ in }
    ) throws {
        if part == 0 { try file.write(layout.header, at: 0) }
        // The largest go first, each to whom has least.
        var loads = [Int](repeating: 0, count: parts)
        for item in items.enumerated().sorted(by: {
            ($1.element.byteCount, $0.offset) < ($0.element.byteCount, $1.offset)
        }) {
            let owner = loads.indices.min { loads[$0] < loads[$1] }!
            loads[owner] += item.element.byteCount
            guard owner == part else { continue }
            try write(item.element, to: file, workers)
            report(item.element)
        }
    }

    private func write(_ item: Item, to file: PlacedFile, _ workers: Workers) throws {
        let matrix = item.source(workers)
        precondition(matrix.rows * matrix.columns == item.shape.reduce(1, *), "\(item.name): shape and numbers differ")
        switch item.form {
        case .f32, .f16, .bf16:
            let type: PlainFormat = item.form == .f32 ? .f32 : item.form == .f16 ? .f16 : .bf16
            // As many rows at once as take some megabytes.
            let step = max(1, (8 << 20) / (4 * matrix.columns))
            var place = layout.start(of: item.name)
            for first in stride(from: 0, to: matrix.rows, by: step) {
                let bytes = matrix.bytes(rows: first..<min(matrix.rows, first + step), as: type, on: workers)
                try file.write(bytes, at: place)
                place += bytes.count
            }
        case .nf4:
            guard let tensor = NF4Tensor(quantizing: matrix, on: workers) else {
                throw ModelError(
                    "\(item.name) holds numbers that are NaN or infinite, which NF4 has not; the model's file is damaged, or "
                        + "training it diverged: take a sound copy")
            }
            try file.write(tensor.codes, at: layout.start(of: item.name))
            try file.write(tensor.scales, at: layout.start(of: item.name + NF4Names.scales))
            try file.write(tensor.groups, at: layout.start(of: item.name + NF4Names.groups))
            try file.write(NF4Tensor.scaleMap, at: layout.start(of: item.name + NF4Names.scaleMap))
            try file.write(NF4Tensor.levels, at: layout.start(of: item.name + NF4Names.levels))
            try file.write(Self.state(tensor), at: layout.start(of: item.name + NF4Names.state))
        }
    }

    /// What Transformers reads of a quantised weight: JSON, filled up with spaces.
    private static func state(_ tensor: NF4Tensor) -> [UInt8] {
        let json = JSON.object(
            JSONObject([
                ("quant_type", .string("nf4")), ("blocksize", .integer(64)), ("dtype", .string("float32")),
                ("shape", .array([.integer(Int64(tensor.rows)), .integer(Int64(tensor.columns))])),
                ("nested_blocksize", .integer(256)), ("nested_dtype", .string("float32")),
                ("nested_offset", .number(Double(tensor.offset))),
            ]))
        let text = Array(json.text(compact: true).utf8)
        return text + [UInt8](repeating: UInt8(ascii: " "), count: Item.stateBytes - text.count)
    }
}
