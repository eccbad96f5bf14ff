import Foundation
import LoRA
import Tensors
import WeightFiles

/// A checkpoint that has been read: its state, and its matrices where they belong.
struct CheckpointReader {
    let folder: CheckpointFolder
    let state: CheckpointState

    /// Checks every file against its sum and reads the state.
    /// - Throws: `InputError` that names the file, or `WeightFileError`.
    init(_ folder: CheckpointFolder) throws {
        self.folder = folder
        guard FileSystem.exists(folder.path) else {
            throw InputError(folder.path, reason: "there is no such checkpoint")
        }
        try folder.verify()
        let file = "\(folder.path)/\(CheckpointFolder.stateName)"
        state = try CheckpointState(text: try FileSystem.read(file) ?? [], file: file)
    }

    /// Puts the matrices into slabs of the adapter's layout.
    /// - Returns: the adapter of the best evaluation as `ParameterSlab.bytes`; empty if it was not kept.
    /// - Throws: `InputError` or `WeightFileError` if they are not those of this adapter.
    func load(values: ParameterSlab, m: ParameterSlab, v: ParameterSlab) throws -> [UInt8] {
        try load(PEFTFolder.weightsName, [("", values)])
        try load(CheckpointFolder.momentsName, [("m.", m), ("v.", v)])
        guard FileSystem.exists("\(folder.path)/\(CheckpointFolder.bestName)") else { return [] }
        let best = ParameterSlab(values.layout)
        try load(CheckpointFolder.bestName, [("", best)])
        return best.bytes
    }

    private func load(_ name: String, _ slabs: [(prefix: String, slab: ParameterSlab)]) throws {
        let path = "\(folder.path)/\(name)"
        let tensors = try TensorCollection.safetensors(at: path)
        let expected = slabs.reduce(0) { $0 + $1.slab.layout.entries.count }
        guard tensors.tensors.count == expected else {
            throw InputError(
                path, reason: "has \(tensors.tensors.count) tensors, expected \(expected): it is of another adapter")
        }
        for (prefix, slab) in slabs {
            for (index, entry) in slab.layout.entries.enumerated() {
                let tensor = try tensors.weight(
                    prefix + Adapter.peftPrefix + entry.name, shape: Adapter.shape(of: entry))
                guard tensor.type == .f32 else {
                    throw InputError(path, reason: "tensor \(tensor.name) is \(tensor.type.name), expected F32")
                }
                unsafe slab.setBytes(entry: index, tensor.bytes)
            }
        }
    }
}
