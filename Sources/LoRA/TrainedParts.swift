public import Tensors

extension AdapterConfig {
    /// Which biases of linear maps are trained beside A and B (PEFT's `bias`).
    public enum Bias: String, Sendable, CaseIterable {
        case none
        /// Every bias of the model.
        case all
        /// Those of adapted modules.
        case loraOnly = "lora_only"
    }

    /// A module that can be trained and saved whole (PEFT's `modules_to_save`).
    public enum WholeModule: String, Sendable, CaseIterable {
        case embedding = "embed_tokens"
        case head = "lm_head"

        /// The path in a Hugging Face model.
        public var path: String {
            switch self {
            case .embedding: "model.embed_tokens"
            case .head: "lm_head"
            }
        }

        /// The module of this name, or whose path it is.
        public init?(name: String) {
            let found = Self.allCases.first { $0.rawValue == name || $0.path == name }
            guard let module = found else { return nil }
            self = module
        }
    }
}

extension Adapter {
    /// What stands behind the path of a module in the name of its trained bias: PEFT wraps an adapted module.
    static let nameOfBias = ".bias", nameOfAdaptedBias = ".base_layer.bias"

    /// Whether an entry of the slab is a bias.
    public static func isBias(_ entry: ParameterLayout.Entry) -> Bool { entry.name.hasSuffix(nameOfBias) }

    /// Whether an entry of the slab, of one row, stands in files as a vector: magnitudes and biases.
    public static func isVector(_ entry: ParameterLayout.Entry) -> Bool { isMagnitude(entry) || isBias(entry) }

    /// The shape that an entry has in files.
    public static func shape(of entry: ParameterLayout.Entry) -> [Int] {
        isVector(entry) ? [entry.columns] : [entry.rows, entry.columns]
    }

    static func appendBiases(
        of groups: [[AdaptableModule]], targets: Set<String>, _ kind: AdapterConfig.Bias,
        to layout: inout ParameterLayout
    ) -> [String: Int] {
        var entries: [String: Int] = [:]
        for module in groups.joined() where module.hasBias {
            let isAdapted = targets.contains(module.path)
            guard kind == .all || kind == .loraOnly && isAdapted else { continue }
            let name = module.path + (isAdapted ? nameOfAdaptedBias : nameOfBias)
            entries[module.path] = layout.append(name, rows: 1, columns: module.outputs)
        }
        return entries
    }

    static func append(
        _ modules: [AdapterConfig.WholeModule], _ vocabulary: (rows: Int, features: Int)?,
        to layout: inout ParameterLayout
    ) -> [AdapterConfig.WholeModule: Int] {
        var entries: [AdapterConfig.WholeModule: Int] = [:]
        for module in modules {
            guard let vocabulary else { preconditionFailure("\(module.path) is to be trained and has no shape") }
            entries[module] = layout.append(
                module.path + ".weight", rows: vocabulary.rows, columns: vocabulary.features)
        }
        return entries
    }
}
