public import JSONText
import Layers

extension DecoderConfig {
    /// The content of a `config.json` for Transformers' `LlamaForCausalLM`.
    /// - Parameter dtype: of the weights, as Transformers names it: `float32`, `float16` or `bfloat16`.
    /// - Returns: an object.
    /// - Throws: `ModelError` for rotary frequencies that no key of `config.json` describes.
    public func json(dtype: String) throws -> JSON {
        func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
        var members: [(key: String, value: JSON)] = [
            ("architectures", .array([.string("LlamaForCausalLM")])), ("model_type", .string("llama")),
            ("vocab_size", integer(vocabulary)), ("hidden_size", integer(hidden)),
            ("intermediate_size", integer(intermediate)), ("num_hidden_layers", integer(layers)),
            ("num_attention_heads", integer(heads)), ("num_key_value_heads", integer(keyHeads)),
            ("head_dim", integer(headSize)), ("hidden_act", .string("silu")),
            ("max_position_embeddings", integer(maxPositions)), ("rms_norm_eps", .number(normEpsilon)),
            ("rope_theta", .number(ropeTheta)), ("tie_word_embeddings", .bool(tiedEmbeddings)),
            ("attention_bias", .bool(attentionBias)), ("mlp_bias", .bool(mlpBias)), ("torch_dtype", .string(dtype)),
        ]
        switch try RotaryEmbedding.named(ropeScaling, headSize: headSize, theta: ropeTheta) {
        case .none, .factors: break
        case .linear(let factor):
            members.append(
                ("rope_scaling", .object(JSONObject([("rope_type", .string("linear")), ("factor", .number(factor))]))))
        case .llama3(let factor, let low, let high, let original):
            members.append(
                (
                    "rope_scaling",
                    .object(
                        JSONObject([
                            ("rope_type", .string("llama3")), ("factor", .number(factor)),
                            ("low_freq_factor", .number(low)), ("high_freq_factor", .number(high)),
                            ("original_max_position_embeddings", integer(original)),
                        ]))
                ))
        }
        switch endTokens.count {
        case 0: break
        case 1: members.append(("eos_token_id", .integer(Int64(endTokens[0]))))
        default: members.append(("eos_token_id", .array(endTokens.map { .integer(Int64($0)) })))
        }
        return .object(JSONObject(members))
    }

    /// What `config.json` says of weights in 4-bit NormalFloat, as Transformers writes it for bitsandbytes.
    public static var nf4Quantization: JSON {
        .object(
            JSONObject([
                ("quant_method", .string("bitsandbytes")), ("load_in_4bit", .bool(true)),
                ("load_in_8bit", .bool(false)),
                ("bnb_4bit_quant_type", .string("nf4")), ("bnb_4bit_use_double_quant", .bool(true)),
                ("bnb_4bit_compute_dtype", .string("float32")), ("bnb_4bit_quant_storage", .string("uint8")),
            ]))
    }
}

extension RotaryEmbedding {
    /// The scaling with a name that gives these factors.
    fileprivate static func named(_ scaling: Scaling, headSize: Int, theta: Double) throws -> Scaling {
        guard case .factors(let factors) = scaling else { return scaling }
        let llama3 = Scaling.llama3(
            factor: Double(factors.max() ?? 1), lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
        let own = frequencies(headSize: headSize, theta: theta, scaling: scaling)
        let known = frequencies(headSize: headSize, theta: theta, scaling: llama3)
        guard zip(own, known).allSatisfy({ abs($0 - $1) <= 1e-5 * abs($1) }) else {
            throw ModelError(
                "rope_freqs.weight holds factors that are not those of Llama 3; config.json has no key for them")
        }
        return llama3
    }
}
