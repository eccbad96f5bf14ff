import Foundation
public import JSONText
public import Tensors
import WeightFiles

/// A Hugging Face model folder to be written: `config.json`, and weights in shards of some gigabytes with their index.
public struct ModelFolder {
    private let config: JSON
    private let shards: [ModelFile]

    /// Bytes of weights after which the next shard begins.
    private static let shardBytes = 4 << 30

    /// - Parameters:
    ///   - config: the content of `config.json`.
    ///   - items: the tensors, in the order of the shards.
    public init(config: JSON, items: [ModelFile.Item]) {
        self.config = config
        var files: [[ModelFile.Item]] = [[]]
        var bytes = 0
        for item in items {
            if bytes > 0, bytes + item.byteCount > Self.shardBytes {
                files.append([])
                bytes = 0
            }
            files[files.count - 1].append(item)
            bytes += item.byteCount
        }
        shards = files.map { ModelFile($0) }
    }

    /// Bytes of all weights.
    public var byteCount: Int { shards.reduce(0) { $0 + $1.layout.byteCount } }

    private func name(_ shard: Int) -> String {
        func number(_ value: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }
        return shards.count == 1
            ? "model.safetensors" : "model-\(number(shard + 1))-of-\(number(shards.count)).safetensors"
    }

    /// Writes all files, each under a temporary name first; `config.json`, by which the folder is known for a model, is the last.
    /// - Parameters:
    ///   - path: a folder, made if it is not there.
    ///   - workers: share the work on a tensor.
    ///   - report: told of each tensor that is written.
    /// - Throws: `WeightFileError` if a file cannot be written; `ModelError` for a weight that cannot be quantised.
    public func write(
        to path: String, on workers: Workers, report: (_ name: String, _ bytes: Int) -> Void = { _, _ in }
    ) throws {
        try FileSystem.makeFolder(path)
        for (index, shard) in shards.enumerated() {
            let partial = "\(path)/\(name(index)).partial"
            let file = try PlacedFile(path: partial, byteCount: shard.layout.byteCount)
            do {
                try shard.write(to: file, on: workers) { report($0.name, $0.byteCount) }
                try file.finish()
            } catch {
                unsafe unlink(partial)
                throw error
            }
            try FileSystem.rename(partial, to: "\(path)/\(name(index))")
        }
        if shards.count > 1 {
            try FileSystem.write(Array(index.text(indent: 2).utf8), to: "\(path)/model.safetensors.index.json")
        }
        try FileSystem.write(Array((config.text(indent: 2) + "\n").utf8), to: "\(path)/config.json")
        try FileSystem.flushFolder(path)
    }

    /// `model.safetensors.index.json`: which tensor is in which shard.
    private var index: JSON {
        let places = shards.enumerated().flatMap { index, shard in
            shard.layout.entries.map { (key: $0.name, value: JSON.string(name(index))) }
        }
        let bytes = shards.reduce(0) { $0 + $1.layout.entries.reduce(0) { $0 + $1.byteCount } }
        return .object(
            JSONObject([
                ("metadata", .object(JSONObject([("total_size", .integer(Int64(bytes)))]))),
                (
                    "weight_map",
                    .object(JSONObject(places.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }))
                ),
            ]))
    }
}

extension BaseModel {
    /// All tensors under the names of Hugging Face.
    /// - Parameters:
    ///   - linears: the form of the linear maps.
    ///   - others: the form of embedding, head, norms and biases; nil for that of the file, and bf16 for what is quantised there.
    /// - Returns: in the order of the computation.
    public func items(linears: ModelFile.Form, others: ModelFile.Form?) -> [ModelFile.Item] {
        let names = HuggingFaceNames()
        func matrix(_ name: String, _ weight: StoredMatrix, _ form: ModelFile.Form?) -> ModelFile.Item {
            let own: ModelFile.Form =
                switch weight.format {
                case .f32: .f32
                case .f16: .f16
                default: .bf16
                }
            return ModelFile.Item(name: name, shape: [weight.rows, weight.columns], form: form ?? own) { _ in weight }
        }
        func vector(_ name: String, _ values: ConstantMatrix) -> ModelFile.Item {
            let elements = values.view.elements
            return ModelFile.Item(name: name, shape: [elements.count], form: others ?? .f32) { _ in
                StoredMatrix(rows: 1, columns: elements.count, values: elements)
            }
        }
        var items = [matrix(names.embedding, embedding, others)]
        let linearItems = linearItems(linears)
        for (index, layer) in layers.enumerated() {
            items.append(vector(names.inputNorm(index), layer.inputNorm))
            items.append(vector(names.postAttentionNorm(index), layer.postAttentionNorm))
            let count = LinearModule.allCases.count
            items += linearItems[index * count..<(index + 1) * count]
            for module in LinearModule.allCases {
                guard let bias = layer.linears[module]!.bias else { continue }
                items.append(vector(names.linear(module, layer: index) + ".bias", bias))
            }
        }
        items.append(vector(names.finalNorm, finalNorm))
        if !config.tiedEmbeddings { items.append(matrix(names.head, head, others)) }
        return items
    }
}
