import Tensors

/// The linear maps of a decoder layer, in the order of their input groups.
public enum LinearModule: String, CaseIterable, Sendable {
    case q = "self_attn.q_proj"
    case k = "self_attn.k_proj"
    case v = "self_attn.v_proj"
    case o = "self_attn.o_proj"
    case gate = "mlp.gate_proj"
    case up = "mlp.up_proj"
    case down = "mlp.down_proj"

    /// Modules that share their input, in the order of the computation.
    public static let groups: [[LinearModule]] = [[.q, .k, .v], [.o], [.gate, .up], [.down]]

    var isAttention: Bool {
        switch self {
        case .q, .k, .v, .o: true
        case .gate, .up, .down: false
        }
    }

    /// The module's path in a Hugging Face model.
    public func path(layer: Int) -> String { "model.layers.\(layer).\(rawValue)" }

    /// Rows and columns of the weight.
    public func shape(_ config: DecoderConfig) -> (outputs: Int, inputs: Int) {
        let (queries, keys) = (config.heads * config.headSize, config.keyHeads * config.headSize)
        return switch self {
        case .q: (queries, config.hidden)
        case .k, .v: (keys, config.hidden)
        case .o: (config.hidden, queries)
        case .gate, .up: (config.intermediate, config.hidden)
        case .down: (config.hidden, config.intermediate)
        }
    }
}

/// What a kind of file calls the weights.
protocol WeightNames {
    var embedding: String { get }
    var head: String { get }
    var finalNorm: String { get }
    func inputNorm(_ layer: Int) -> String
    func postAttentionNorm(_ layer: Int) -> String
    /// The name without ".weight" or ".bias".
    func linear(_ module: LinearModule, layer: Int) -> String
    func rowOrder(_ module: LinearModule, _ config: DecoderConfig) -> StoredMatrix.RowOrder
}

struct HuggingFaceNames: WeightNames {
    let embedding = "model.embed_tokens.weight"
    let head = "lm_head.weight"
    let finalNorm = "model.norm.weight"
    func inputNorm(_ layer: Int) -> String { "model.layers.\(layer).input_layernorm.weight" }
    func postAttentionNorm(_ layer: Int) -> String { "model.layers.\(layer).post_attention_layernorm.weight" }
    func linear(_ module: LinearModule, layer: Int) -> String { module.path(layer: layer) }
    func rowOrder(_: LinearModule, _: DecoderConfig) -> StoredMatrix.RowOrder { .plain }
}

struct GGUFNames: WeightNames {
    let embedding = "token_embd.weight"
    let head = "output.weight"
    let finalNorm = "output_norm.weight"
    func inputNorm(_ layer: Int) -> String { "blk.\(layer).attn_norm.weight" }
    func postAttentionNorm(_ layer: Int) -> String { "blk.\(layer).ffn_norm.weight" }
    func linear(_ module: LinearModule, layer: Int) -> String {
        let name =
            switch module {
            case .q: "attn_q"
            case .k: "attn_k"
            case .v: "attn_v"
            case .o: "attn_output"
            case .gate: "ffn_gate"
            case .up: "ffn_up"
            case .down: "ffn_down"
            }
        return "blk.\(layer).\(name)"
    }
    func rowOrder(_ module: LinearModule, _ config: DecoderConfig) -> StoredMatrix.RowOrder {
        switch module {
        case .q, .k: .interleavedHalves(headSize: config.headSize)
        default: .plain
        }
    }
}
