public import Tensors

/// A linear map of the base model as the adapter sees it.
public struct AdaptableModule: Sendable {
    /// The path in a Hugging Face model, such as `model.layers.0.self_attn.q_proj`.
    public let path: String
    public let inputs: Int, outputs: Int
    /// Whether the base adds a bias.
    public let hasBias: Bool
    public init(path: String, inputs: Int, outputs: Int, hasBias: Bool = false) {
        self.path = path
        self.inputs = inputs
        self.outputs = outputs
        self.hasBias = hasBias
    }
}

/// The trained matrices of a model: A (r, inputs) and B (outputs, r) for each adapted module, in one slab; behind them DoRA's
/// magnitudes (1, outputs), the biases (1, outputs) that are trained, and the modules that are trained whole (vocabulary, features).
///
/// The A matrices of modules that share their input follow each other, so that they can be used as one. Magnitudes stand behind all
/// A and B.
public struct Adapter: Sendable {
    /// One adapted module and where its matrices stand.
    public struct Module: Sendable {
        public let path: String
        /// Slab entries of A and B.
        public let a: Int, b: Int
        public let rank: Int
        /// α/r, or α/√r for rsLoRA.
        public let scale: Float
        /// Slab entry of the magnitudes; nil without DoRA.
        public let magnitude: Int?
    }

    public let modules: [Module]
    public private(set) var values: ParameterSlab
    /// For DoRA the norms that magnitudes are divided by, an entry (1, outputs) for each module: what `Decoder.prepare` computes.
    public let norms: ParameterSlab?
    /// For PiSSA what A and B began with, which is not trained: entries as those of A and B in `values`.
    public let initial: ParameterSlab?
    /// Slab entries of the trained biases, by the path of their module.
    public let biases: [String: Int]
    /// Slab entries of the modules that are trained whole.
    public let whole: [AdapterConfig.WholeModule: Int]

    /// An adapter with all matrices zero.
    /// - Parameters:
    ///   - groups: modules in the order of the computation, those that share an input together.
    ///   - targets: paths of the modules that are adapted.
    ///   - config: gives each module its rank, the rows of A and the columns of B, and what B A x is multiplied by; and says
    ///     what else is trained.
    ///   - vocabulary: the shape of the embedding table and of the head; needed where `config.modulesToSave` names one.
    public init(
        groups: [[AdaptableModule]], targets: [String], config: AdapterConfig,
        vocabulary: (rows: Int, features: Int)? = nil
    ) {
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
                    Module(
                        path: path, a: a[i], b: b[i], rank: ranks[i], scale: Float(config.scaling(of: path)),
                        magnitude: nil))
            }
        }
        initial = config.initLoRAWeights.isPiSSA ? ParameterSlab(layout) : nil
        norms = config.useDoRA ? Self.appendMagnitudes(to: &layout, &modules) : nil
        self.modules = modules
        biases = Self.appendBiases(of: groups, targets: targets, config.bias, to: &layout)
        whole = Self.append(config.modulesToSave, vocabulary, to: &layout)
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
    static let nameOfA = ".lora_A.weight", nameOfB = ".lora_B.weight", nameOfMagnitude = ".lora_magnitude_vector"

    /// Whether an entry of the slab is one of the B matrices.
    public static func isB(_ entry: ParameterLayout.Entry) -> Bool { entry.name.hasSuffix(nameOfB) }

    /// Sets A and B to what training begins with. Each element is a function of (seed, module, element). What begins from the base's
    /// weights is left for whoever has these: magnitudes, and all of PiSSA's.
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
            case .pissa: a.fill(0)
            }
        }
    }

    /// Takes every A and B from `lookup`, which gets the name that PEFT uses and the shape expected.
    public func load(_ lookup: (_ name: String, _ rows: Int, _ columns: Int) throws -> [Float]) rethrows {
        for (index, entry) in values.layout.entries.enumerated() {
            values[index].copy(from: try lookup(Self.peftPrefix + entry.name, entry.rows, entry.columns))
        }
    }

    /// The matrices under the names that PEFT gives them; magnitudes and biases are vectors there.
    public var namedTensors: [NamedTensor] { Self.namedTensors(values) }

    static func namedTensors(_ slab: ParameterSlab) -> [NamedTensor] {
        slab.layout.entries.indices.map { index in
            let entry = slab.layout.entries[index]
            return NamedTensor(
                name: peftPrefix + entry.name, rows: entry.rows, columns: entry.columns, floats: slab[index].elements)
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
    /// The random vectors that the principal factors of the module with this index are found from.
    public static func subspace(module: Int) -> UInt64 { 6 << 32 | UInt64(module) }
    /// The values of B while gradients are checked.
    public static let gradientCheck: UInt64 = 4 << 32
    /// What is added to embeddings in training.
    public static let embeddingNoise: UInt64 = 7 << 32
    /// The tokens of one generated answer.
    public static func sampling(sequence: Int) -> UInt64 { 3 << 32 | UInt64(sequence) }
}
