import JSONText
import Tensors
import WeightFiles

/// A matrix of an adapter under the name that it has in `adapter_model.safetensors`.
public struct NamedTensor: Sendable, Equatable {
    public let name: String
    public let rows: Int
    public let columns: Int
    /// Row-major, rows × columns.
    public let floats: [Float]
    public init(name: String, rows: Int, columns: Int, floats: [Float]) {
        precondition(floats.count == rows * columns, "\(name): \(floats.count) floats for (\(rows), \(columns))")
        self.name = name
        self.rows = rows
        self.columns = columns
        self.floats = floats
    }

    /// The shape in files: DoRA's magnitudes and biases, (1, outputs) here, are vectors there.
    public var shape: [Int] { Self.isVector(name) ? [columns] : [rows, columns] }
    static func isVector(_ name: String) -> Bool {
        name.hasSuffix(Adapter.nameOfMagnitude) || name.hasSuffix(Adapter.nameOfBias)
    }
    var isBias: Bool { name.hasSuffix(Adapter.nameOfBias) }
    /// Whether it is one of A and B.
    var isLowRank: Bool { name.hasSuffix(Adapter.nameOfA) || name.hasSuffix(Adapter.nameOfB) }
}

/// The content of a PEFT adapter folder: `adapter_config.json` and the matrices in `adapter_model.safetensors`.
public struct PEFTFolder: Sendable, Equatable {
    public var config: AdapterConfig
    /// lora_A (r, inputs) and lora_B (outputs, r) of every module, with DoRA its lora_magnitude_vector (1, outputs), trained biases
    /// (1, outputs) and modules that are saved whole (vocabulary, features), sorted by the bytes of the names.
    public private(set) var tensors: [NamedTensor]
    /// For PiSSA what each A and B began with, under the same names.
    public let initial: [NamedTensor]
    /// Names of the adapted modules as the base model has them ("model.layers.0.self_attn.q_proj"), sorted by bytes.
    public let modules: [String]

    /// The matrices of an adapter.
    /// - Parameters:
    ///   - config: its `r` and `targetModules` must fit the tensors.
    ///   - tensors: a lora_A and a lora_B for each module, with DoRA a lora_magnitude_vector, and what `config.bias` and
    ///     `config.modulesToSave` name, in any order.
    ///   - initial: for PiSSA the lora_A and lora_B that training began with.
    ///   - source: the file named in errors.
    /// - Throws: `WeightFileError` naming the tensor for an unknown or repeated name, a matrix without its partner, a shape that
    ///   does not fit `config.r`, a module that `config.targetModules` does not name, or if there is none at all.
    public init(
        config: AdapterConfig, tensors: [NamedTensor], initial: [NamedTensor] = [],
        source: String = PEFTFolder.weightsName
    ) throws {
        self.config = config
        self.tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        modules = try AdapterChecker(config: config, file: source).modules(of: self.tensors)
        self.initial = try Self.checked(initial, config, of: self.tensors, source)
    }

    public static let configName = "adapter_config.json"
    public static let weightsName = "adapter_model.safetensors"

    /// The name of a module's A in `adapter_model.safetensors`.
    public static func nameOfA(_ module: String) -> String { "base_model.model.\(module).lora_A.weight" }
    /// The name of a module's B in `adapter_model.safetensors`.
    public static func nameOfB(_ module: String) -> String { "base_model.model.\(module).lora_B.weight" }

    /// The name of a module's magnitudes in `adapter_model.safetensors`.
    static func nameOfMagnitude(_ module: String) -> String { "base_model.model.\(module)\(Adapter.nameOfMagnitude)" }

    /// The matrix of exactly this name.
    public subscript(name: String) -> NamedTensor? {
        tensors.first { $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// Reads an adapter folder made by PEFT or by `write`; F16 and BF16 are widened to fp32.
    /// - Throws: `WeightFileError` naming the file and the key or tensor for what is missing, malformed or not supported.
    public static func read(_ path: String) throws -> PEFTFolder {
        let configPath = "\(path)/\(configName)"
        guard FileSystem.exists(configPath) else {
            throw WeightFileError(
                file: path,
                reason: "is not an adapter folder: \(configName) is missing (PEFT's save_pretrained writes it)")
        }
        let config = try AdapterConfig(json: try SmallFile.bytes(configPath), file: configPath)
        let weightsPath = "\(path)/\(weightsName)"
        guard FileSystem.exists(weightsPath) else {
            let pickle = "\(path)/adapter_model.bin"
            guard FileSystem.exists(pickle) else {
                throw WeightFileError(file: path, reason: "\(weightsName) is missing")
            }
            throw WeightFileError(
                file: pickle,
                reason:
                    "a pickle can run code when it is loaded and is not read; load the adapter in PEFT and save it again"
                    + " (save_pretrained writes \(weightsName))")
        }
        return try PEFTFolder(
            config: config, tensors: widened(weightsPath), initial: readInitial(of: config, in: path),
            source: weightsPath)
    }

    /// The matrices of a safetensors file as fp32.
    static func widened(_ path: String) throws -> [NamedTensor] {
        try TensorCollection.safetensors(at: path).tensors.map(widened)
    }

    /// A matrix of a safetensors file as fp32.
    static func widened(_ tensor: StoredTensor) throws -> NamedTensor {
        let path = tensor.file.path
        let isVector = NamedTensor.isVector(tensor.name)
        guard tensor.shape.count == (isVector ? 1 : 2) else {
            throw WeightFileError(
                file: path,
                reason: "tensor \(tensor.name) is \(tensor.shape), a \(isVector ? "vector" : "matrix") was expected")
        }
        let format: StorageFormat
        switch tensor.type {
        case .f32: format = .f32
        case .f16: format = .f16
        case .bf16: format = .bf16
        default:
            throw WeightFileError(
                file: path, reason: "tensor \(tensor.name) is \(tensor.type.name), expected F32, F16 or BF16")
        }
        let floats = unsafe [Float](unsafeUninitializedCapacity: tensor.elementCount) { out, count in
            unsafe format.widen(
                tensor.bytes, into: UnsafeMutableBufferPointer(rebasing: out[..<tensor.elementCount]))
            count = tensor.elementCount
        }
        return NamedTensor(
            name: tensor.name, rows: isVector ? 1 : tensor.shape[0], columns: tensor.shape.last!, floats: floats)
    }
}
