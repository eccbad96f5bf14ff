public import Tensors

extension BaseModel {
    /// A model of random weights in bf16, which lie in this process's own memory; norms are 1, and there are no biases.
    /// - Parameters:
    ///   - config: its shape.
    ///   - name: stands in the place of a path.
    ///   - workers: share the making.
    public init(random config: DecoderConfig, name: String, on workers: Workers) {
        let weights = RandomWeights(seed: 1)
        var index = 0
        func matrix(_ rows: Int, _ columns: Int) -> StoredMatrix {
            index += 1
            return weights.matrix(rows: rows, columns: columns, index: index, on: workers)
        }
        let ones = ConstantMatrix(columns: config.hidden, values: [Float](repeating: 1, count: config.hidden))
        path = name
        gguf = nil
        files = []
        self.config = config
        embedding = matrix(config.vocabulary, config.hidden)
        head = config.tiedEmbeddings ? embedding : matrix(config.vocabulary, config.hidden)
        finalNorm = ones
        layers = (0..<config.layers).map { _ in
            var linears: [LinearModule: (weight: StoredMatrix, bias: ConstantMatrix?)] = [:]
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(config)
                linears[module] = (matrix(outputs, inputs), nil)
            }
            return LayerWeights(inputNorm: ones, postAttentionNorm: ones, linears: linears)
        }
    }
}

extension DecoderConfig {
    /// Bytes of all matrices in bf16.
    public var bf16ByteCount: Int {
        let layer = LinearModule.allCases.reduce(0) {
            let (outputs, inputs) = $1.shape(self)
            return $0 + outputs * inputs
        }
        return 2 * ((tiedEmbeddings ? 1 : 2) * vocabulary * hidden + layers * layer)
    }
}

extension BaseModel {
    /// The tensors of a model of random weights in bf16, each made when it is written; norms are 1.
    /// - Parameter config: the model's shape.
    /// - Returns: in the order of the computation.
    public static func randomItems(_ config: DecoderConfig) -> [ModelFile.Item] {
        let weights = RandomWeights(seed: 1)
        let names = HuggingFaceNames()
        var items: [ModelFile.Item] = []
        func matrix(_ name: String, _ rows: Int, _ columns: Int) {
            let index = items.count
            items.append(
                ModelFile.Item(name: name, shape: [rows, columns], form: .bf16) {
                    weights.matrix(rows: rows, columns: columns, index: index, on: $0)
                })
        }
        func norm(_ name: String) {
            items.append(
                ModelFile.Item(name: name, shape: [config.hidden], form: .bf16) { _ in
                    StoredMatrix(
                        rows: 1, columns: config.hidden, values: [Float](repeating: 1, count: config.hidden))
                })
        }
        matrix(names.embedding, config.vocabulary, config.hidden)
        for layer in 0..<config.layers {
            norm(names.inputNorm(layer))
            norm(names.postAttentionNorm(layer))
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(config)
                matrix(names.linear(module, layer: layer) + ".weight", outputs, inputs)
            }
        }
        norm(names.finalNorm)
        if !config.tiedEmbeddings { matrix(names.head, config.vocabulary, config.hidden) }
        return items
    }
}
