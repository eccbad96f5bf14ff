import Tensors
import WeightFiles

// PiSSA trains A and B from the principal singular values of W, whose product is taken off the weight: W + scale · (B A − B₀ A₀).
// (Meng et al. 2024)

extension Adapter {
    /// What A and B began with, under the names that PEFT gives A and B; empty without PiSSA.
    public var initialTensors: [NamedTensor] { initial.map(Self.namedTensors) ?? [] }

    /// Takes every A₀ and B₀ from `lookup`, which gets the name that PEFT uses for A and B and the shape expected.
    public func loadInitial(_ lookup: (_ name: String, _ rows: Int, _ columns: Int) throws -> [Float]) rethrows {
        guard let initial else { return }
        for (index, entry) in initial.layout.entries.enumerated() {
            initial[index].copy(from: try lookup(Self.peftPrefix + entry.name, entry.rows, entry.columns))
        }
    }
}

extension PEFTFolder {
    /// Where PEFT's conversion expects what A and B began with, and where checkpoints keep it.
    static let initialFolder = "pissa_init"
    public static let initialName = "initial.safetensors"

    /// What PiSSA began with, of a folder that PEFT or `write` made, or of a checkpoint; nothing for other adapters.
    /// - Throws: `WeightFileError` if it is missing.
    static func readInitial(of config: AdapterConfig, in path: String) throws -> [NamedTensor] {
        guard let name = config.initLoRAWeights.pissaName else { return [] }
        let places = ["\(path)/\(initialFolder)/\(weightsName)", "\(path)/\(initialName)"]
        guard let file = places.first(where: FileSystem.exists) else {
            throw WeightFileError(
                file: "\(path)/\(configName)",
                reason:
                    "init_lora_weights is \"\(name)\", and what training began with (\(initialFolder)/\(weightsName)) is "
                    + "missing\(AdapterConfigReader.ofChangedBase)")
        }
        return try widened(file)
    }

    /// - Throws: `WeightFileError` unless there is one for each A and B of PiSSA, of the same shape, and none otherwise.
    static func checked(
        _ initial: [NamedTensor], _ config: AdapterConfig, of tensors: [NamedTensor], _ source: String
    ) throws -> [NamedTensor] {
        let trained = config.initLoRAWeights.isPiSSA ? tensors.filter(\.isLowRank) : []
        // PEFT saves there what else is trained too, which nothing is taken off.
        let sorted = initial.filter(\.isLowRank).sorted {
            $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        let fits = zip(sorted, trained).allSatisfy { start, tensor in
            start.name.utf8.elementsEqual(tensor.name.utf8) && start.shape == tensor.shape
        }
        guard fits, sorted.count == trained.count else {
            throw WeightFileError(
                file: source,
                reason:
                    "what training began with (\(initialFolder)) is not a matrix of the same shape for each lora_A and lora_B"
            )
        }
        return sorted
    }

    /// The same change of the base as plain LoRA of twice the rank, A' = [A; A₀] and B' = [B, −B₀], as PEFT's `save_pretrained` makes it
    /// with `path_initial_model_for_weight_conversion`; itself without PiSSA.
    /// - Throws: never for a folder that is in order.
    public func plain() throws -> PEFTFolder {
        guard config.initLoRAWeights.isPiSSA else { return self }
        let doubled = tensors.map { tensor in
            guard let start = initial.first(where: { $0.name.utf8.elementsEqual(tensor.name.utf8) }) else {
                return tensor
            }
            if start.name.hasSuffix(Adapter.nameOfA) {
                return NamedTensor(
                    name: tensor.name, rows: 2 * tensor.rows, columns: tensor.columns,
                    floats: tensor.floats + start.floats)
            }
            let width = tensor.columns
            let floats = (0..<tensor.rows).flatMap { row in
                let range = row * width..<(row + 1) * width
                return tensor.floats[range] + start.floats[range].map { -$0 }
            }
            return NamedTensor(name: tensor.name, rows: tensor.rows, columns: 2 * width, floats: floats)
        }
        return try PEFTFolder(config: config.doubled, tensors: doubled)
    }
}

extension AdapterConfig {
    /// Twice the rank for every module, with the same scale.
    fileprivate var doubled: AdapterConfig {
        var config = self
        let factor = useRSLoRA ? 2.0.squareRoot() : 2
        config.r = Self.doubled(r)
        config.loraAlpha *= factor
        config.rankPattern = rankPattern.mapValues(Self.doubled)
        config.alphaPattern = alphaPattern.mapValues { factor * $0 }
        config.initLoRAWeights = .standard
        return config
    }

    /// A rank that no matrix has stays as it is.
    private static func doubled(_ rank: Int) -> Int { rank > Int(Int32.max) ? rank : 2 * rank }
}
