import Foundation
import JSONText
import Layers
import WeightFiles

extension DecoderConfig {
    /// Reads a `config.json` of the Llama family.
    /// - Throws: `ModelError` that names the file and key for what is missing, of the wrong kind or not supported;
    ///   `WeightFileError` if the file cannot be read.
    public init(configFile path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw ModelError("\(path): cannot be read; a model folder needs a config.json")
        }
        let bytes = try SmallFile.bytes(path)
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch { throw ModelError("\(path): \(error)") }
        try self.init(ConfigReader(path: path, json: json))
    }

    /// The ids that a `generation_config.json` names as ends of a text; none if there is no such file.
    /// - Throws: `ModelError` that names the file.
    static func endTokens(generationConfig path: String) throws -> [Int32] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do {
            return try ConfigReader(path: path, json: try JSON(parsing: try SmallFile.bytes(path))).ids("eos_token_id")
        } catch let error as JSONError { throw ModelError("\(path): \(error)") }
    }

    private init(_ reader: ConfigReader) throws {
        try Self.refuseOtherArchitectures(reader)
        hidden = try reader.int("hidden_size")
        heads = try reader.int("num_attention_heads")
        headSize = try reader.int("head_dim", default: hidden / max(heads, 1))
        vocabulary = try reader.int("vocab_size")
        intermediate = try reader.int("intermediate_size")
        layers = try reader.int("num_hidden_layers")
        keyHeads = try reader.int("num_key_value_heads", default: heads)
        normEpsilon = try reader.double("rms_norm_eps", default: 1e-6)
        tiedEmbeddings = try reader.bool("tie_word_embeddings", default: false)
        attentionBias = try reader.bool("attention_bias", default: false)
        mlpBias = try reader.bool("mlp_bias", default: false)
        maxPositions = try reader.int("max_position_embeddings", default: 2048)
        endTokens = try reader.ids("eos_token_id")
        (ropeTheta, ropeScaling) = try Self.rope(reader, maxPositions: maxPositions)
        try validate(reader.path)
    }

    func validate(_ file: String) throws {
        func require(_ condition: Bool, _ text: String) throws {
            if !condition { throw ModelError("\(file): \(text)") }
        }
        for (name, value, most) in [
            ("hidden_size", hidden, 1 << 20), ("num_attention_heads", heads, 1 << 16),
            ("num_key_value_heads", keyHeads, 1 << 16), ("head_dim", headSize, 1 << 16),
            ("num_hidden_layers", layers, 4096), ("vocab_size", vocabulary, 1 << 24),
            ("intermediate_size", intermediate, 1 << 22), ("max_position_embeddings", maxPositions, 1 << 28),
        ] {
            try require((1...most).contains(value), "\(name) is \(value), expected a number from 1 to \(most)")
        }
        try require(
            heads % keyHeads == 0, "num_attention_heads \(heads) is not a multiple of num_key_value_heads \(keyHeads)")
        try require(
            heads * headSize <= 1 << 22,
            "num_attention_heads \(heads) × head_dim \(headSize) is more than the supported 4,194,304")
        try require(headSize % 2 == 0, "head_dim is \(headSize); rotary positions need an even number")
        try require(normEpsilon >= 0 && normEpsilon < 1, "rms_norm_eps is \(normEpsilon)")
        try require(ropeTheta > 0, "rope_theta is \(ropeTheta)")
    }

    private static func refuseOtherArchitectures(_ reader: ConfigReader) throws {
        for check in architectureChecks { try check(reader) }
    }

    /// What a `config.json` must not ask for.
    static let architectureChecks: [@Sendable (ConfigReader) throws -> Void] = [
        { reader in
            let type = try reader.string("model_type")
            guard type == "llama" || type == "mistral" else {
                throw ModelError("\(reader.path): model_type \"\(type)\" is not supported; \(supported)")
            }
        },
        { reader in
            guard let window = reader.json["sliding_window"], !window.isNull else { return }
            let shown = window.text().prefix(60)
            throw ModelError("\(reader.path): sliding_window \(shown) is not supported; \(supported)")
        },
        { reader in
            let activation = try reader.string("hidden_act", default: "silu")
            guard activation == "silu" || activation == "swish" else {
                throw ModelError("\(reader.path): hidden_act \"\(activation)\" is not supported; supported is silu")
            }
        },
        { reader in
            guard let quantization = reader.json["quantization_config"], !quantization.isNull else { return }
            let method = quantization["quant_method"]?.string ?? "unknown"
            let kind = quantization["bnb_4bit_quant_type"]?.string
            guard method == "bitsandbytes", quantization["load_in_4bit"]?.bool == true, kind == "nf4" else {
                throw ModelError(
                    "\(reader.path): quantization_config of method \"\(method)\"\(kind.map { ", \($0)," } ?? "") is not "
                        + "supported; use the model in F32, F16, BF16 or bitsandbytes' NF4, or a GGUF file")
            }
        },
        { reader in
            if let factor = reader.json["partial_rotary_factor"]?.double, factor != 1 {
                throw ModelError("\(reader.path): partial_rotary_factor \(factor) is not supported; supported is 1")
            }
        },
    ]

    private static let supported = "supported are llama and mistral without sliding window"

    private static func rope(_ reader: ConfigReader, maxPositions: Int) throws -> (Double, RotaryEmbedding.Scaling) {
        let parameters = reader.json["rope_parameters"] ?? reader.json["rope_scaling"] ?? .null
        let theta = parameters["rope_theta"]?.double ?? reader.json["rope_theta"]?.double ?? 10_000
        guard case .object = parameters else {
            if parameters.isNull { return (theta, .none) }
            throw ModelError("\(reader.path): rope_scaling is \(parameters.kind), expected an object or null")
        }
        let rope = ConfigReader(path: reader.path, json: parameters, section: "rope_scaling.")
        let type = try rope.string("rope_type", default: try rope.string("type", default: "default"))
        switch type {
        case "default": return (theta, .none)
        case "linear": return (theta, .linear(factor: try rope.positive("factor")))
        case "llama3":
            let (low, high) = (try rope.positive("low_freq_factor"), try rope.positive("high_freq_factor"))
            guard high > low else {
                throw ModelError(
                    "\(reader.path): rope_scaling.high_freq_factor \(high) is not above low_freq_factor \(low)")
            }
            return (
                theta,
                .llama3(
                    factor: try rope.positive("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                    originalPositions: try rope.int("original_max_position_embeddings", default: maxPositions))
            )
        default:
            throw ModelError(
                "\(reader.path): rope_scaling of type \"\(type)\" is not supported; supported are llama3 and linear")
        }
    }
}

/// Typed access to the keys of a config.json.
struct ConfigReader {
    let path: String
    let json: JSON
    var section = ""

    private func value<Value>(_ key: String, _ kind: String, _ read: (JSON) -> Value?, _ fallback: Value?) throws
        -> Value
    {
        guard let found = json[key], !found.isNull else {
            if let fallback { return fallback }
            throw ModelError("\(path): \(section)\(key) is missing; expected \(kind)")
        }
        guard let value = read(found) else {
            throw ModelError("\(path): \(section)\(key) is \(found.kind), expected \(kind)")
        }
        return value
    }

    func int(_ key: String, default fallback: Int? = nil) throws -> Int {
        try value(key, "a whole number", \.int, fallback)
    }
    func double(_ key: String, default fallback: Double? = nil) throws -> Double {
        try value(key, "a number", \.double, fallback)
    }
    func positive(_ key: String) throws -> Double {
        let number = try double(key)
        guard number > 0 else { throw ModelError("\(path): \(section)\(key) is \(number), expected a number above 0") }
        return number
    }
    func bool(_ key: String, default fallback: Bool? = nil) throws -> Bool {
        try value(key, "true or false", \.bool, fallback)
    }
    func string(_ key: String, default fallback: String? = nil) throws -> String {
        try value(key, "a string", \.string, fallback)
    }
    /// One id or a list of ids; absent means none.
    func ids(_ key: String) throws -> [Int32] {
        guard let found = json[key], !found.isNull else { return [] }
        let values = found.array ?? [found]
        return try values.map {
            guard let id = $0.int, let id = Int32(exactly: id) else {
                throw ModelError("\(path): \(section)\(key) is \(found.text().prefix(60)), expected token ids")
            }
            return id
        }
    }
}
