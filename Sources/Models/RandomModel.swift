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
