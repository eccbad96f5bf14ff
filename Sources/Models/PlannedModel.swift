import Foundation
import JSONText
public import Tensors
import WeightFiles

extension BaseModel {
    /// Opens what is there of a model, for planning: a Hugging Face folder or a GGUF file as `init(path:)` does; a folder without
    /// weights, or a `config.json` by itself, as shapes and formats without numbers.
    /// - Parameter path: the folder or file.
    /// - Throws: `ModelError` or `WeightFileError` that names file, key or tensor; for a `config.json` of another family every
    ///   field that is missing or not supported.
    public init(planning path: String) throws {
        guard let file = Self.configFile(at: path) else {
            try self.init(path: path)
            return
        }
        let objections = try DecoderConfig.objections(configFile: file)
        guard objections.isEmpty else {
            throw ModelError(
                "\(file): a plan needs the shape of a Llama-family model: " + objections.joined(separator: "; "))
        }
        let folder = (file as NSString).deletingLastPathComponent
        if file == path + "/config.json", Self.hasWeights(path) {
            try self.init(path: path)
            return
        }
        let json = try JSON(parsing: try SmallFile.bytes(file))
        let dtype = json["torch_dtype"]?.string ?? json["dtype"]?.string
        let format: StorageFormat = dtype == "float32" ? .f32 : dtype == "float16" ? .f16 : .bf16
        let isQuantized = json["quantization_config"].map { !$0.isNull } ?? false
        let base = BaseModel(
            planned: try DecoderConfig(configFile: file), path: folder.isEmpty ? "." : folder, format: format)
        self = isQuantized ? base.plannedAsNF4() : base
    }

    /// The `config.json` that a path names or holds; nil for what has none.
    private static func configFile(at path: String) -> String? {
        if path.hasSuffix(".json") { return path }
        let file = path + "/config.json"
        return FileManager.default.fileExists(atPath: file) ? file : nil
    }

    private static func hasWeights(_ folder: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.contains { $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.index.json") }
    }

    /// A model of which the shape is known and no weight is there.
    /// - Parameters:
    ///   - config: its shape.
    ///   - path: the folder that a tokenizer may be in, or a name.
    ///   - format: of all matrices.
    public init(planned config: DecoderConfig, path: String, format: StorageFormat = .bf16) {
        func matrix(_ rows: Int, _ columns: Int) -> StoredMatrix {
            .planned(rows: rows, columns: columns, format: format)
        }
        func vector(_ count: Int, _ value: Float) -> ConstantMatrix {
            ConstantMatrix(columns: count, values: [Float](repeating: value, count: count))
        }
        let norm = vector(config.hidden, 1)
        self.path = path
        self.config = config
        gguf = nil
        files = []
        embedding = matrix(config.vocabulary, config.hidden)
        head = config.tiedEmbeddings ? embedding : matrix(config.vocabulary, config.hidden)
        finalNorm = norm
        layers = (0..<config.layers).map { _ in
            var linears: [LinearModule: (weight: StoredMatrix, bias: ConstantMatrix?)] = [:]
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(config)
                let hasBias = module.isAttention ? config.attentionBias : config.mlpBias
                linears[module] = (matrix(outputs, inputs), hasBias ? vector(outputs, 0) : nil)
            }
            return LayerWeights(inputNorm: norm, postAttentionNorm: norm, linears: linears)
        }
    }

    /// The same model with linear maps in 4-bit NormalFloat, of which no number is there.
    public func plannedAsNF4() -> BaseModel {
        BaseModel(
            self,
            layers: layers.map { layer in
                LayerWeights(
                    inputNorm: layer.inputNorm, postAttentionNorm: layer.postAttentionNorm,
                    linears: layer.linears.mapValues {
                        (.planned(rows: $0.weight.rows, columns: $0.weight.columns, format: nil), $0.bias)
                    })
            }, files: files)
    }

    /// Some layers of a model of this shape with numbers in the formats of this one, to measure the speed of the whole with. The
    /// numbers are random; formats of GGUF in blocks are taken from this model, whose weights must be there then.
    /// - Parameters:
    ///   - count: layers, the first of this model where they are taken from it.
    ///   - vocabulary: rows of embedding and head; all of them where the head is taken from this model.
    ///   - workers: share the making.
    /// - Returns: the model, with biases and norms of this one.
    public func sample(layers count: Int, vocabulary: Int, on workers: Workers) -> BaseModel {
        let weights = RandomWeights(seed: 1)
        var index = 0
        func matrix(_ weight: StoredMatrix, rows: Int? = nil) -> StoredMatrix {
            index += 1
            return weights.matrix(like: weight, rows: rows ?? weight.rows, index: index, on: workers) ?? weight
        }
        let head = matrix(self.head, rows: vocabulary)
        var config = config
        config.layers = count
        config.vocabulary = head.rows
        config.tiedEmbeddings = true
        let layers = self.layers.prefix(count).map { layer in
            var linears = layer.linears
            for module in LinearModule.allCases {
                linears[module] = (matrix(layer.linears[module]!.weight), linears[module]!.bias)
            }
            return LayerWeights(
                inputNorm: layer.inputNorm, postAttentionNorm: layer.postAttentionNorm, linears: linears)
        }
        return BaseModel(self, config: config, head: head, layers: layers)
    }

    /// The format in which the head is to be sampled whole.
    public var headIsTakenWhole: Bool {
        switch head.format {
        case .f32, .f16, .bf16, nil: false
        default: true
        }
    }

    /// The format of the linear maps that most of their bytes are in.
    public var linearFormat: String {
        var sizes: [String: Int] = [:]
        for weight in layers.flatMap({ $0.linears.values.map(\.weight) }) {
            sizes[weight.formatName, default: 0] += weight.byteCount
        }
        return sizes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
    }
}
