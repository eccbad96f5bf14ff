public import Tensors

/// A linear map of the base model as the adapter sees it.
public struct AdaptableModule: Sendable {
    /// The path in a Hugging Face model, such as `model.layers.0.self_attn.q_proj`.
    public let path: String
    public let inputs: Int, outputs: Int
    public init(path: String, inputs: Int, outputs: Int) {
        self.path = path
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// The trained matrices of a model: A (r, inputs) and B (outputs, r) for each adapted module, in one slab.
///
/// The A matrices of modules that share their input follow each other, so that they can be used as one.
public struct Adapter: Sendable {
    /// One adapted module and where its matrices stand.
    public struct Module: Sendable {
        public let path: String
        /// Slab entries of A and B.
        public let a: Int, b: Int
        public let rank: Int
        /// α/r, or α/√r for rsLoRA.
        public let scale: Float
    }

    public let modules: [Module]
    public let values: ParameterSlab

    /// An adapter with all matrices zero.
    /// - Parameters:
    ///   - groups: modules in the order of the computation, those that share an input together.
    ///   - rank: r, the rows of A and the columns of B.
    ///   - scale: what B A x is multiplied by.
    ///   - targets: paths of the modules that are adapted.
    public init(groups: [[AdaptableModule]], rank: Int, scale: Float, targets: [String]) {
        let targets = Set(targets)
        var layout = ParameterLayout()
        var modules: [Module] = []
        for group in groups {
            let adapted = group.filter { targets.contains($0.path) }
            let a = adapted.map { layout.append($0.path + ".lora_A.weight", rows: rank, columns: $0.inputs) }
            let b = adapted.map { layout.append($0.path + ".lora_B.weight", rows: $0.outputs, columns: rank) }
            for i in adapted.indices {
                modules.append(Module(path: adapted[i].path, a: a[i], b: b[i], rank: rank, scale: scale))
            }
        }
        self.modules = modules
        values = ParameterSlab(layout)
    }

    /// Trained numbers.
    public var parameterCount: Int { values.layout.count }

    /// A ~ U(−1/√inputs, 1/√inputs), which is kaiming_uniform with a = √5 as PEFT takes it, and B = 0. Each element is a function
    /// of (seed, module, element).
    public func initialize(seed: UInt64) {
        for (index, module) in modules.enumerated() {
            let a = values[module.a]
            let random = CounterRandom(seed: seed, purpose: RandomPurpose.adapterInit(module: index))
            let bound = 1 / Float(a.columns).squareRoot()
            a.copy(from: random.uniforms(a.rows * a.columns).map { (2 * $0 - 1) * bound })
            values[module.b].fill(0)
        }
    }

    /// Takes every A and B from `lookup`, which gets the name that PEFT uses and the shape expected.
    public func load(_ lookup: (_ name: String, _ rows: Int, _ columns: Int) throws -> [Float]) rethrows {
        for (index, entry) in values.layout.entries.enumerated() {
            values[index].copy(from: try lookup(Self.peftPrefix + entry.name, entry.rows, entry.columns))
        }
    }

    /// The matrices under the names that PEFT gives them.
    public var namedTensors: [NamedTensor] {
        values.layout.entries.indices.map { index in
            let entry = values.layout.entries[index]
            return NamedTensor(
                name: Self.peftPrefix + entry.name, rows: entry.rows, columns: entry.columns,
                floats: values[index].elements)
        }
    }

    /// What PEFT puts before a module's path in a causal language model.
    public static let peftPrefix = "base_model.model."
}

/// What random numbers are for: streams of one seed that must not meet.
public enum RandomPurpose {
    /// The values of A in the module with this index.
    public static func adapterInit(module: Int) -> UInt64 { 1 << 32 | UInt64(module) }
    /// Dropout of the input group (0 attention in, 1 o in, 2 MLP in, 3 down in) of a layer.
    public static func dropout(layer: Int, group: Int) -> UInt64 { 2 << 32 | UInt64(layer * 4 + group) }
    /// The values of B while gradients are checked.
    public static let gradientCheck: UInt64 = 4 << 32
    /// The tokens of one generated answer.
    public static func sampling(sequence: Int) -> UInt64 { 3 << 32 | UInt64(sequence) }
}
