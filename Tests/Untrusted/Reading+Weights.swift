import JSONText
import LoRA
import Models
import Tokenizers
import WeightFiles

/// One function a parser: reads, and touches everything that was read, so that a wrong range or count shows.
enum Reading {
    static func json(_ bytes: [UInt8]) throws {
        let value = try JSON(parsing: bytes)
        for text in [value.text(), value.text(compact: true, escapeNonASCII: true), value.text(indent: 2)] {
            precondition((try? JSON(parsing: text)) != nil, "what was written cannot be read")
        }
        _ = value.int
        _ = value["a"]
    }

    static func safetensors(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let path = folder.put(bytes, "model.safetensors", in: "safetensors") + "/model.safetensors"
        touch(try TensorCollection.safetensors(at: path), within: bytes.count)
    }

    /// The input is a `model.safetensors.index.json` beside three shards.
    static func index(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        for shard in 1...3 {
            let name = "model-0000\(shard)-of-00003.safetensors"
            folder.place("ModelsTests/Fixtures/linear-rope-sharded/\(name)", as: name, in: "index")
        }
        let path = folder.put(bytes, "model.safetensors.index.json", in: "index")
        let collection = try TensorCollection.folder(path)
        touch(collection, within: 1 << 20)
        for tensor in collection.tensors {
            let name = tensor.file.path.utf8.dropFirst(path.utf8.count + 1)
            precondition(
                tensor.file.path.hasPrefix(path + "/") && !name.contains(UInt8(ascii: "/")), "a file outside the folder"
            )
        }
    }

    static func gguf(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let path = folder.put(bytes, "model.gguf", in: "gguf") + "/model.gguf"
        let file = try GGUFFile(path: path)
        touch(file.tensors, within: bytes.count)
        for key in file.metadata.keys { touch(file.metadata[key]) }
        // Either half may be missing from a damaged file; the other must still be safe to read.
        let model = Result { try BaseModel(path: path) }
        let tokenizer = Result { try Tokenizer(gguf: file.metadata, file: path) }
        if case .success(let model) = model { touch(model) }
        try use(try tokenizer.get())
        _ = try model.get()
    }

    /// The input is a `config.json` beside the weights of a tiny model, and its `generation_config.json`.
    static func config(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        folder.place("ModelsTests/Fixtures/tied/model.safetensors", as: "model.safetensors", in: "config")
        folder.put(bytes, "generation_config.json", in: "config")
        touch(try BaseModel(path: folder.put(bytes, "config.json", in: "config")))
    }

    /// The input is an `adapter_config.json` beside the matrices of a tiny adapter.
    static func adapter(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let weights = "ModelsTests/Fixtures/tied/adapter/adapter_model.safetensors"
        folder.place(weights, as: PEFTFolder.weightsName, in: "adapter")
        let path = folder.put(bytes, PEFTFolder.configName, in: "adapter")
        let config = try AdapterConfig(json: bytes, file: PEFTFolder.configName)
        precondition(config.r > 0)
        _ = config.scaling
        _ = config.json(modules: ["model.layers.0.self_attn.q_proj"])
        touch(try PEFTFolder.read(path))
    }

    /// The input is an `adapter_model.safetensors` beside the configuration of a tiny adapter.
    static func matrices(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let config = "ModelsTests/Fixtures/tied/adapter/adapter_config.json"
        folder.place(config, as: PEFTFolder.configName, in: "matrices")
        touch(try PEFTFolder.read(folder.put(bytes, PEFTFolder.weightsName, in: "matrices")))
    }

    // MARK: Touching

    private static func touch(_ tensors: TensorCollection, within size: Int) {
        for tensor in tensors.tensors {
            precondition(tensors[tensor.name] != nil && tensor.elementCount >= 0)
            precondition(tensor.range.lowerBound >= 0 && tensor.range.upperBound <= size, "a tensor outside the file")
            blackHole(tensor.bytes.reduce(0) { $0 &+ Int($1) })
        }
    }

    private static func touch(_ value: GGUFValue?) {
        switch value {
        case .string(let bytes): blackHole(bytes.reduce(0) { $0 &+ Int($1) })
        case .array(let array):
            for position in 0..<array.count { touch(array[position]) }
            blackHole(array.ints?.count ?? array.floats?.count ?? 0)
        default: break
        }
    }

    private static func touch(_ model: BaseModel) {
        precondition(model.config.parameterCount > 0 && model.layers.count == model.config.layers)
    }

    private static func touch(_ adapter: PEFTFolder) {
        precondition(adapter.tensors.count == 2 * adapter.modules.count)
        for tensor in adapter.tensors { precondition(tensor.floats.count == tensor.rows * tensor.columns) }
    }

    /// Takes a value so that computing it is not left out.
    @inline(never) static func blackHole(_ value: Int) {}
}
