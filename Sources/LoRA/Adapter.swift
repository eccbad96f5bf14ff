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
    public private(set) var values: ParameterSlab

    /// An adapter with all matrices zero.
    /// - Parameters:
    ///   - groups: modules in the order of the computation, those that share an input together.
    ///   - targets: paths of the modules that are adapted.
    ///   - config: gives each module its rank, the rows of A and the columns of B, and what B A x is multiplied by.
    public init(groups: [[AdaptableModule]], targets: [String], config: AdapterConfig) {
        let targets = Set(targets)
        var layout = ParameterLayout()
        var modules: [Module] = []
        for group in groups {
            let adapted = group.filter { targets.contains($0.path) }
            let ranks = adapted.map { config.rank(of: $0.path) }
            let a = zip(adapted, ranks).map { layout.append($0.path + Self.nameOfA, rows: $1, columns: $0.inputs) }
            let b = zip(adapted, ranks).map { layout.append($0.path + Self.nameOfB, rows: $0.outputs, columns: $1) }
            for i in adapted.indices {
                let path = adapted[i].path
                modules.append(
                    Module(path: path, a: a[i], b: b[i], rank: ranks[i], scale: Float(config.scaling(of: path))))
            }
        }
        self.modules = modules
        values = ParameterSlab(layout)
    }

    /// The same adapter with its matrices in another slab of the same layout.
    public func with(_ values: ParameterSlab) -> Adapter {
        precondition(values.layout == self.values.layout)
        var other = self
        other.values = values
        return other
    }

    /// Trained numbers.
    public var parameterCount: Int { values.layout.count }

    /// What stands behind a module's path in the names of its matrices.
    static let nameOfA = ".lora_A.weight", nameOfB = ".lora_B.weight"

    /// Whether an entry of the slab is one of the B matrices.
    public static func isB(_ entry: ParameterLayout.Entry) -> Bool { entry.name.hasSuffix(nameOfB) }

    /// Sets A and B to what training begins with. Each element is a function of (seed, module, element).
    public func initialize(_ kind: AdapterConfig.InitLoRAWeights = .standard, seed: UInt64) {
        for (index, module) in modules.enumerated() {
            let (a, b) = (values[module.a], values[module.b])
            let random = CounterRandom(seed: seed, purpose: RandomPurpose.adapterInit(module: index))
            func fillUniform(_ matrix: MatrixView, _ random: CounterRandom) {
                let bound = 1 / Float(matrix.columns).squareRoot()
                matrix.copy(from: random.uniforms(matrix.rows * matrix.columns).map { (2 * $0 - 1) * bound })
            }
            b.fill(0)
            switch kind {
            case .standard: fillUniform(a, random)
            case .random:
                fillUniform(a, random)
                fillUniform(b, CounterRandom(seed: seed, purpose: RandomPurpose.adapterInitOfB(module: index)))
            case .gaussian:
                let deviation = 1 / Float(module.rank)
                a.copy(from: random.normals(a.rows * a.columns).map { $0 * deviation })
            }
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
    /// The values of B in the module with this index.
    public static func adapterInitOfB(module: Int) -> UInt64 { 5 << 32 | UInt64(module) }
    /// Dropout of the input group (0 attention in, 1 o in, 2 MLP in, 3 down in) of a layer.
    public static func dropout(layer: Int, group: Int) -> UInt64 { 2 << 32 | UInt64(layer * 4 + group) }
    /// The values of B while gradients are checked.
    public static let gradientCheck: UInt64 = 4 << 32
    /// The tokens of one generated answer.
    public static func sampling(sequence: Int) -> UInt64 { 3 << 32 | UInt64(sequence) }
}
