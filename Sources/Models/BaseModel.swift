import Foundation
import Layers
public import LoRA
public import Tensors
public import WeightFiles

/// The frozen weights of a decoder, mapped from a Hugging Face folder or a GGUF file and used in place.
public struct BaseModel: Sendable {
    public let config: DecoderConfig
    public let embedding: StoredMatrix
    public let finalNorm: ConstantMatrix
    public let head: StoredMatrix
    public let layers: [LayerWeights]
    /// The GGUF file, if the model is one: it carries the vocabulary and the chat template.
    public let gguf: GGUFFile?
    /// The folder or file.
    public let path: String
    /// The files that hold the weights, each once.
    public let files: [WeightFile]

    /// A file of weights.
    public struct WeightFile: Sendable {
        public let file: MappedFile
        /// Where its first tensor begins.
        public let headerBytes: Int
    }

    /// The weights of one layer. Shapes: q (heads · headSize, hidden), k and v (keyHeads · headSize, hidden),
    /// o (hidden, heads · headSize), gate and up (intermediate, hidden), down (hidden, intermediate).
    public struct LayerWeights: Sendable {
        public let inputNorm: ConstantMatrix, postAttentionNorm: ConstantMatrix
        public let linears: [LinearModule: (weight: StoredMatrix, bias: ConstantMatrix?)]
    }

    /// Opens a model without reading its weights.
    /// - Throws: `ModelError` or `WeightFileError` that names file, key or tensor.
    public init(path: String) throws {
        var isFolder: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ModelError("\(path): no such file or folder; model.path is a Hugging Face folder or a GGUF file")
        }
        if isFolder.boolValue {
            var config = try DecoderConfig(configFile: path + "/config.json")
            config.endTokens += try DecoderConfig.endTokens(generationConfig: path + "/generation_config.json")
            try self.init(path, config, HuggingFaceNames(), try TensorCollection.folder(path), gguf: nil)
        } else {
            let file = try GGUFFile(path: path)
            let config = try DecoderConfig(gguf: file)
            try self.init(path, config, GGUFNames(), file.tensors, gguf: file)
        }
    }

    private init(
        _ path: String, _ config: DecoderConfig, _ names: any WeightNames, _ tensors: TensorCollection, gguf: GGUFFile?
    ) throws {
        self.path = path
        self.config = config
        self.gguf = gguf
        files = Self.files(of: tensors)
        func vector(_ name: String, _ count: Int, order: StoredMatrix.RowOrder = .plain) throws -> ConstantMatrix {
            let values = try tensors.weight(name, shape: [count]).floats()
            return ConstantMatrix(columns: count, values: order.sorted(values))
        }
        func matrix(_ name: String, _ rows: Int, _ columns: Int, _ order: StoredMatrix.RowOrder) throws -> StoredMatrix
        {
            try tensors.matrix(name, rows: rows, columns: columns, rowOrder: order)
        }
        embedding = try matrix(names.embedding, config.vocabulary, config.hidden, .plain)
        head = config.tiedEmbeddings ? embedding : try matrix(names.head, config.vocabulary, config.hidden, .plain)
        finalNorm = try vector(names.finalNorm, config.hidden)
        layers = try (0..<config.layers).map { layer in
            var linears: [LinearModule: (weight: StoredMatrix, bias: ConstantMatrix?)] = [:]
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(config)
                let name = names.linear(module, layer: layer)
                let order = names.rowOrder(module, config)
                let hasBias = module.isAttention ? config.attentionBias : config.mlpBias
                linears[module] = (
                    try matrix(name + ".weight", outputs, inputs, order),
                    hasBias ? try vector(name + ".bias", outputs, order: order) : nil
                )
            }
            return LayerWeights(
                inputNorm: try vector(names.inputNorm(layer), config.hidden),
                postAttentionNorm: try vector(names.postAttentionNorm(layer), config.hidden), linears: linears)
        }
    }

    /// The same model with other linear maps.
    init(_ base: BaseModel, layers: [LayerWeights], files: [WeightFile]) {
        (config, embedding, finalNorm, head) = (base.config, base.embedding, base.finalNorm, base.head)
        (gguf, path) = (base.gguf, base.path)
        self.layers = layers
        self.files = files
    }

    /// A part of a model: `head` is the embedding too.
    init(_ base: BaseModel, config: DecoderConfig, head: StoredMatrix, layers: [LayerWeights]) {
        (embedding, self.head, finalNorm) = (head, head, base.finalNorm)
        (gguf, path, files) = (base.gguf, base.path, base.files)
        self.config = config
        self.layers = layers
    }

    /// The same model whose linear maps are those of another file, under the names of Hugging Face; biases, norms, embedding and head
    /// stay.
    /// - Parameter file: safetensors.
    /// - Returns: the model.
    /// - Throws: `WeightFileError` that names file and tensor.
    public func replacingLinears(from file: String) throws -> BaseModel {
        let tensors = try TensorCollection.safetensors(at: file)
        let replaced = try self.layers.enumerated().map { layer, weights in
            var linears = weights.linears
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(config)
                let name = module.path(layer: layer) + ".weight"
                linears[module] = (try tensors.matrix(name, rows: outputs, columns: inputs), linears[module]!.bias)
            }
            return LayerWeights(
                inputNorm: weights.inputNorm, postAttentionNorm: weights.postAttentionNorm, linears: linears)
        }
        return BaseModel(self, layers: replaced, files: files + Self.files(of: tensors))
    }

    /// The first linear map that is kept in fewer than 16 bits already, and its format.
    public var quantized: (name: String, format: String)? {
        for (index, layer) in layers.enumerated() {
            for module in LinearModule.allCases {
                let weight = layer.linears[module]!.weight
                switch weight.format {
                case .f32, .f16, .bf16: continue
                default: return (module.path(layer: index), weight.formatName)
                }
            }
        }
        return nil
    }

    /// The weight of a linear map by its path in a Hugging Face model; nil if there is none.
    public func weight(of path: String) -> StoredMatrix? {
        for (index, layer) in layers.enumerated() {
            for (module, linear) in layer.linears where module.path(layer: index) == path { return linear.weight }
        }
        return nil
    }

    /// The linear maps of all layers as items of a file, under the names of Hugging Face.
    /// - Parameter form: that they are written in.
    /// - Returns: in the order of the layers.
    public func linearItems(_ form: ModelFile.Form) -> [ModelFile.Item] {
        layers.enumerated().flatMap { index, layer in
            LinearModule.allCases.map { module in
                let weight = layer.linears[module]!.weight
                return ModelFile.Item(
                    name: module.path(layer: index) + ".weight", shape: [weight.rows, weight.columns], form: form
                ) { _ in weight }
            }
        }
    }

    private static func files(of tensors: TensorCollection) -> [WeightFile] {
        var files: [WeightFile] = []
        for tensor in tensors.tensors where files.last?.file !== tensor.file {
            // Tensors come in the order of the files and of their places.
            files.append(WeightFile(file: tensor.file, headerBytes: tensor.range.lowerBound))
        }
        return files
    }

    /// The linear maps that can be adapted, those that share an input together.
    public var adaptableGroups: [[AdaptableModule]] {
        (0..<config.layers).flatMap { layer in
            LinearModule.groups.map { group in
                group.map { module in
                    let (outputs, inputs) = module.shape(config)
                    let hasBias = module.isAttention ? config.attentionBias : config.mlpBias
                    return AdaptableModule(
                        path: module.path(layer: layer), inputs: inputs, outputs: outputs, hasBias: hasBias)
                }
            }
        }
    }

    /// Names of the linear maps that can be adapted, such as "model.layers.0.self_attn.q_proj".
    public var linearPaths: [String] { adaptableGroups.joined().map(\.path) }

    /// Rows and columns of the embedding table and of the head.
    public var vocabularyShape: (rows: Int, features: Int) { (config.vocabulary, config.hidden) }

    /// Bytes of the matrices that a training step reads as a whole: all linear maps and the head. An embedding that is not the head
    /// as well is read by the rows of a batch's tokens, and counts apart.
    public var stepBytes: (read: Int, embedding: Int) {
        let apart = config.tiedEmbeddings ? 0 : embedding.byteCount
        return (byteCount - apart, apart)
    }

    /// Bytes of all mapped matrices.
    public var byteCount: Int {
        layers.reduce(embedding.byteCount + (config.tiedEmbeddings ? 0 : head.byteCount)) { total, layer in
            total + layer.linears.values.reduce(0) { $0 + $1.weight.byteCount }
        }
    }
}

extension StoredTensor {
    /// This tensor as a frozen matrix, used where it lies.
    func matrix(rowOrder: StoredMatrix.RowOrder) throws -> StoredMatrix {
        guard let format = StorageFormat(rawValue: type.rawValue) else {
            throw WeightFileError(
                file: file.path, reason: "tensor \(name) is \(type.name), which is not a weight format")
        }
        return unsafe StoredMatrix(
            bytes: bytes, format: format, rows: shape[0], columns: shape[1], rowOrder: rowOrder, owner: file)
    }

    /// The values of a vector, widened.
    func floats() throws -> [Float] {
        guard let format = StorageFormat(rawValue: type.rawValue) else {
            throw WeightFileError(
                file: file.path, reason: "tensor \(name) is \(type.name), which is not a weight format")
        }
        return unsafe StoredMatrix(bytes: bytes, format: format, rows: 1, columns: elementCount, owner: file).values
    }
}

extension StoredMatrix.RowOrder {
    /// The elements of a vector that is stored in this order (a bias), in the order of Hugging Face.
    func sorted(_ values: [Float]) -> [Float] {
        switch self {
        case .plain: values
        case .interleavedHalves(let size):
            values.indices.map { row in
                let (head, i) = (row / size, row % size)
                return values[head * size + (i < size / 2 ? 2 * i : 2 * (i - size / 2) + 1)]
            }
        }
    }
}
