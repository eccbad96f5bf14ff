public import Layers

/// The shape of a Llama-family decoder.
public struct DecoderConfig: Sendable, Equatable {
    public var vocabulary: Int, hidden: Int, intermediate: Int
    public var layers: Int, heads: Int, keyHeads: Int, headSize: Int
    public var normEpsilon: Double
    public var ropeTheta: Double
    public var ropeScaling: RotaryEmbedding.Scaling
    /// The head's weight is the embedding table.
    public var tiedEmbeddings: Bool
    /// q, k, v and o have biases.
    public var attentionBias: Bool
    /// gate, up and down have biases.
    public var mlpBias: Bool
    /// Positions that the model was trained for.
    public var maxPositions: Int
    /// Ids that end a text, as config.json or the GGUF names them.
    public var endTokens: [Int32]

    /// Parameters of the base model.
    public var parameterCount: Int {
        let attention = hidden * (2 * heads + 2 * keyHeads) * headSize
        let perLayer = attention + 3 * hidden * intermediate + 2 * hidden
        return (tiedEmbeddings ? 1 : 2) * vocabulary * hidden + layers * perLayer + hidden
    }
}

/// Why a model cannot be used.
public struct ModelError: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(_ description: String) { self.description = description }
}
