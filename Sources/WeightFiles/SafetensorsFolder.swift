import Glibc
import JSONText

extension TensorCollection {
    /// The weights of a Hugging Face model folder: `model.safetensors`, or the shards that
    /// `model.safetensors.index.json` lists.
    /// - Throws: `WeightFileError` if neither is there, for whatever is wrong with a shard, for a shard name that leads
    ///   out of the folder, or if the index and the shards do not name the same tensors.
    public static func folder(_ path: String) throws -> TensorCollection {
        let single = path + "/model.safetensors"
        if access(single, F_OK) == 0 { return try safetensors(at: single) }
        let index = path + "/model.safetensors.index.json"
        if access(index, F_OK) == 0 { return try ShardedFolder(folder: path, index: index).collection() }
        var status = stat()
        guard stat(path, &status) == 0 else { throw WeightFileError(file: path, reason: systemErrorText()) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw WeightFileError(file: path, reason: "is not a folder; a model folder was expected")
        }
        let hint =
            access(path + "/pytorch_model.bin", F_OK) == 0
            ? "; pytorch_model.bin is not read: save the model in safetensors form first" : ""
        throw WeightFileError(
            file: path, reason: "holds neither model.safetensors nor model.safetensors.index.json" + hint)
    }
}

/// A model in several files and the index that says which tensor is where.
private struct ShardedFolder {
    let folder: String
    let index: String

    func error(_ reason: String) -> WeightFileError { WeightFileError(file: index, reason: reason) }

    func collection() throws -> TensorCollection {
        let map = try weightMap()
        var shards: [String] = []
        var shardOf: [ByteName: String] = [:]
        var seenShards: Set<ByteName> = []
        for (name, value) in map.members {
            guard let shard = value.string else {
                throw error("weight_map gives \(value.kind) for tensor \(name), a file name was expected")
            }
            guard shardOf.updateValue(shard, forKey: ByteName(name)) == nil else {
                throw error("weight_map names tensor \(name) twice")
            }
            guard seenShards.insert(ByteName(shard)).inserted else { continue }
            guard isPlainName(shard) else {
                throw error(
                    "tensor \(name) is said to be in \"\(shard)\", which is not the name of a file in the folder")
            }
            shards.append(shard)
        }
        var tensors: [StoredTensor] = []
        var metadata: [(key: String, value: String)] = []
        for shard in shards {
            let collection = try TensorCollection.safetensors(at: folder + "/" + shard)
            for tensor in collection.tensors {
                guard let expected = shardOf.removeValue(forKey: ByteName(tensor.name)) else {
                    throw WeightFileError(
                        file: collection.path, reason: "holds tensor \(tensor.name), which \(index) does not name there"
                    )
                }
                guard ByteName(expected) == ByteName(shard) else {
                    throw WeightFileError(
                        file: collection.path,
                        reason: "holds tensor \(tensor.name), which \(index) says is in \(expected)")
                }
            }
            tensors += collection.tensors
            if metadata.isEmpty { metadata = collection.metadata }
        }
        if let (name, shard) = shardOf.min(by: { $0.key.text.utf8.lexicographicallyPrecedes($1.key.text.utf8) }) {
            throw WeightFileError(
                file: folder + "/" + shard, reason: "does not hold tensor \(name.text), which \(index) says it does")
        }
        return TensorCollection(path: folder, tensors: tensors, metadata: metadata)
    }

    private func weightMap() throws -> JSONObject {
        do {
            let value = try JSON(parsing: try SmallFile.bytes(index))
            guard let map = value["weight_map"]?.object else {
                throw error("has no object weight_map")
            }
            guard map.count > 0 else { throw error("weight_map is empty") }
            return map
        } catch let cause as JSONError {
            throw error(cause.description)
        }
    }

    /// True for a name that cannot lead out of the folder.
    private func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
