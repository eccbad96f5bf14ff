import Layers
public import WeightFiles

extension DecoderConfig {
    /// Reads the metadata of a GGUF file of architecture llama.
    /// - Throws: `ModelError` or `WeightFileError` that names the file and key.
    public init(gguf file: GGUFFile) throws {
        let metadata = file.metadata
        let path = metadata.file.path
        let architecture = try metadata.required("general.architecture", metadata.string)
        guard architecture == "llama" else {
            throw ModelError("\(path): architecture \"\(architecture)\" is not supported; supported is llama")
        }
        if let experts = try metadata.int("llama.expert_count"), experts > 0 {
            throw ModelError("\(path): a mixture of \(experts) experts is not supported; supported are dense models")
        }
        func required(_ key: String) throws -> Int { try metadata.required("llama." + key, metadata.int) }
        hidden = try required("embedding_length")
        layers = try required("block_count")
        intermediate = try required("feed_forward_length")
        heads = try required("attention.head_count")
        keyHeads = try metadata.int("llama.attention.head_count_kv") ?? heads
        headSize = try metadata.int("llama.attention.key_length") ?? hidden / max(heads, 1)
        maxPositions = try required("context_length")
        normEpsilon = try metadata.double("llama.attention.layer_norm_rms_epsilon") ?? 1e-5
        ropeTheta = try metadata.double("llama.rope.freq_base") ?? 10_000
        guard let embedding = file.tensors["token_embd.weight"], embedding.shape.count == 2 else {
            throw ModelError("\(path): tensor token_embd.weight is missing or not a matrix")
        }
        vocabulary = embedding.shape[0]
        tiedEmbeddings = file.tensors["output.weight"] == nil
        attentionBias = file.tensors["blk.0.attn_q.bias"] != nil
        mlpBias = file.tensors["blk.0.ffn_gate.bias"] != nil
        endTokens = try metadata.int("tokenizer.ggml.eos_token_id").flatMap { Int32(exactly: $0) }.map { [$0] } ?? []
        ropeScaling = try Self.scaling(file, path, headSize: headSize)
        try validate(path)
        if let size = try metadata.int("llama.rope.dimension_count"), size != headSize {
            throw ModelError("\(path): llama.rope.dimension_count is \(size), expected the head size \(headSize)")
        }
        if let size = try metadata.int("llama.attention.value_length"), size != headSize {
            throw ModelError("\(path): llama.attention.value_length is \(size), expected the head size \(headSize)")
        }
    }

    private static func scaling(_ file: GGUFFile, _ path: String, headSize: Int) throws -> RotaryEmbedding.Scaling {
        if file.tensors["rope_freqs.weight"] != nil {
            let factors = try file.tensors.weight("rope_freqs.weight", shape: [headSize / 2]).floats()
            guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
                throw ModelError("\(path): tensor rope_freqs.weight holds factors that are not above 0")
            }
            return .factors(factors)
        }
        let type = try file.metadata.string("llama.rope.scaling.type") ?? "none"
        switch type {
        case "none": return .none
        case "linear":
            let factor = try file.metadata.required("llama.rope.scaling.factor", file.metadata.double)
            guard factor > 0 else {
                throw ModelError("\(path): llama.rope.scaling.factor is \(factor), expected above 0")
            }
            return .linear(factor: factor)
        default:
            throw ModelError(
                "\(path): llama.rope.scaling.type \"\(type)\" is not supported; supported are none and linear")
        }
    }
}
