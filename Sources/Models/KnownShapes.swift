import Layers

/// The shape of a published model, by name, for what needs no weights of its own: measuring speed and planning memory.
public struct KnownShape: Sendable {
    /// In lower case, such as `llama-3.2-1b`.
    public let name: String
    public let config: DecoderConfig

    /// As the models' own `config.json` files say.
    public static let all = [
        KnownShape(
            "smollm2-135m", vocabulary: 49_152, hidden: 576, intermediate: 1536, layers: 30, heads: 9, keyHeads: 3,
            headSize: 64, theta: 100_000, positions: 8192),
        KnownShape(
            "llama-3.2-1b", vocabulary: 128_256, hidden: 2048, intermediate: 8192, layers: 16, heads: 32, keyHeads: 8,
            headSize: 64, scaling: llama3(factor: 32)),
        KnownShape(
            "llama-3.2-3b", vocabulary: 128_256, hidden: 3072, intermediate: 8192, layers: 28, heads: 24, keyHeads: 8,
            headSize: 128, scaling: llama3(factor: 32)),
        KnownShape(
            "llama-3.1-8b", vocabulary: 128_256, hidden: 4096, intermediate: 14_336, layers: 32, heads: 32,
            keyHeads: 8, headSize: 128, scaling: llama3(factor: 8), tied: false),
    ]

    /// The shape of a name, or nil.
    public static func named(_ name: String) -> KnownShape? { all.first { $0.name == name } }

    private static func llama3(factor: Double) -> RotaryEmbedding.Scaling {
        .llama3(factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
    }

    private init(
        _ name: String, vocabulary: Int, hidden: Int, intermediate: Int, layers: Int, heads: Int, keyHeads: Int,
        headSize: Int, theta: Double = 500_000, scaling: RotaryEmbedding.Scaling = .none, tied: Bool = true,
        positions: Int = 131_072
    ) {
        self.name = name
        config = DecoderConfig(
            vocabulary: vocabulary, hidden: hidden, intermediate: intermediate, layers: layers, heads: heads,
            keyHeads: keyHeads, headSize: headSize, normEpsilon: 1e-5, ropeTheta: theta, ropeScaling: scaling,
            tiedEmbeddings: tied, attentionBias: false, mlpBias: false, maxPositions: positions, endTokens: [])
    }
}
