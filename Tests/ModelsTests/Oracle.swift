import Foundation
import JSONText
import LoRA
import Models
import Tensors
import WeightFiles

/// A tiny model of Fixtures and what PyTorch and PEFT compute with it; the layout is described in generate.py.
struct Oracle {
    let name: String
    let folder: String
    let json: JSON
    let tensors: TensorCollection

    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures").path

    init(_ name: String) throws {
        self.name = name
        folder = Self.fixtures + "/" + name
        json = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: folder + "/oracle.json"))))
        tensors = try .safetensors(at: folder + "/oracle.safetensors")
    }

    var examples: [[Int32]] { json["examples"]!.array!.map { $0.array!.map { Int32($0.int!) } } }

    /// The adapter that PEFT saved in a folder of the model.
    func adapter(_ subfolder: String, for base: BaseModel) throws -> Adapter {
        let file = URL(filePath: "\(folder)/\(subfolder)/adapter_config.json")
        let config = try JSON(parsing: [UInt8](Data(contentsOf: file)))
        let rank = config["r"]!.int!
        let isRSLoRA = config["use_rslora"]!.bool!
        let adapterConfig = AdapterConfig(r: rank, loraAlpha: config["lora_alpha"]!.double!, useRSLoRA: isRSLoRA)
        let targets = config["target_modules"]!.array!.map { $0.string! }
        let modules = base.linearPaths
        let adapter = Adapter(
            groups: base.adaptableGroups, targets: try TargetModules.list(targets).select(from: modules),
            config: adapterConfig)
        let weights = try TensorCollection.safetensors(at: "\(folder)/\(subfolder)/adapter_model.safetensors")
        adapter.load { name, _, _ in floats(weights[name]!) }
        return adapter
    }
}

/// The values of an F32 tensor.
func floats(_ tensor: StoredTensor) -> [Float] {
    precondition(tensor.type == .f32)
    return tensor.bytes.withMemoryRebound(to: UInt8.self) { bytes in
        let start = UnsafeRawPointer(bytes.baseAddress!)
        return (0..<bytes.count / 4).map { i in
            Float(bitPattern: start.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))
        }
    }
}

/// max |a − b|.
func worst(_ a: [Float], _ b: [Float]) -> Float {
    precondition(a.count == b.count, "\(a.count) values against \(b.count)")
    return zip(a, b).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
}

/// ‖a − b‖ / ‖b‖.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    precondition(a.count == b.count)
    var (difference, size) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
        difference += Double(x - y) * Double(x - y)
        size += Double(y) * Double(y)
    }
    return (difference / max(size, 1e-300)).squareRoot()
}

/// An arena large enough for whatever `body` cuts from a measuring one.
func arena(for body: (Arena, Workers) -> Void) -> Arena {
    let measuring = Arena.measuring()
    body(measuring, .dry())
    return Arena(bytes: measuring.peak)
}
