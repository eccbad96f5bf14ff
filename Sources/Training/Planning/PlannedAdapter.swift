import LoRA
import Models
import Tensors
import WeightFiles

extension AdapterFigures {
    /// Counts from the layout of an adapter's matrices, of which no number is read.
    /// - Parameters:
    ///   - adapter: planned.
    ///   - baseParameters: numbers of the base.
    ///   - config: says how the adapter is saved.
    init(_ adapter: Adapter, baseParameters: Int, _ config: RunConfig) {
        var kinds: [(kind: String, modules: Int, parameters: Int)] = []
        let entries = adapter.values.layout.entries
        var modules: [String: Set<Substring>] = [:]
        for entry in entries {
            let (path, kind) = Self.module(entry.name)
            modules[kind, default: []].insert(path)
            if let place = kinds.firstIndex(where: { $0.kind == kind }) {
                kinds[place].parameters += entry.count
            } else {
                kinds.append((kind, 0, entry.count))
            }
        }
        for place in kinds.indices { kinds[place].modules = modules[kinds[place].kind]!.count }
        self.kinds = kinds
        parameters = adapter.values.layout.count
        share = Double(parameters) / Double(baseParameters)
        let initial = adapter.initial?.layout.entries ?? []
        func layout(
            _ entries: [ParameterLayout.Entry], _ prefix: String = "", _ type: ElementType = .f32
        ) -> [SafetensorsLayout.Entry] {
            entries.map {
                SafetensorsLayout.Entry(
                    name: prefix + Adapter.peftPrefix + $0.name, type: type, shape: Adapter.shape(of: $0))
            }
        }
        func bytes(_ entries: [SafetensorsLayout.Entry]) -> Int {
            entries.isEmpty ? 0 : SafetensorsLayout(entries, metadata: ["format": "pt"]).byteCount
        }
        let numbers = config.output.adapterDtype.elementType
        if initial.isEmpty || config.output.savePiSSAAs == .pissa {
            fileBytes = bytes(layout(entries, "", numbers)) + bytes(layout(initial))
        } else {
            // Plain LoRA of twice the rank.
            fileBytes = bytes(
                layout(entries, "", numbers).enumerated().map { index, entry in
                    guard index < initial.count else { return entry }
                    let (rows, columns) = (entry.shape[0], entry.shape[1])
                    return SafetensorsLayout.Entry(
                        name: entry.name, type: entry.type,
                        shape: Adapter.isB(entries[index]) ? [rows, 2 * columns] : [2 * rows, columns])
                })
        }
        checkpointBytes =
            bytes(layout(entries)) + bytes(layout(entries, "m.") + layout(entries, "v.")) + bytes(layout(initial))
            + (config.training.loadBestModelAtEnd ? bytes(layout(entries)) : 0)
    }

    /// The path of the module that an entry is of, and the last name in it.
    private static func module(_ entry: String) -> (path: Substring, kind: String) {
        var parts = entry.split(separator: ".")[...]
        let end = parts.firstIndex { $0.hasPrefix("lora_") } ?? parts.index(before: parts.endIndex)
        parts = parts[..<max(end, 1)]
        // Where PEFT keeps the bias of an adapted module.
        if parts.last == "base_layer" { parts = parts.dropLast() }
        let path = entry[..<parts.last!.endIndex]
        return (path, String(parts.last!))
    }
}

/// Rows of the table by which LoRA is taught.
public struct ShareExample: Sendable, Equatable {
    public let title: String
    public let parameters: Int
    /// Of the parameters of the layer or model.
    public let share: Double

    /// A layer of 4096 × 4096 at r = 8; the 8B shape with r = 8 on q and v, and with r = 64 on all linear maps.
    public static var all: [ShareExample] {
        let square = Adapter(
            groups: [[AdaptableModule(path: "layer", inputs: 4096, outputs: 4096)]], targets: ["layer"],
            config: AdapterConfig(r: 8, loraAlpha: 8))
        let shape = KnownShape.named("llama-3.1-8b")!
        let base = BaseModel(planned: shape.config, path: shape.name)
        func adapter(_ r: Int, _ modules: Set<LinearModule>) -> Adapter {
            let targets = (0..<base.config.layers).flatMap { layer in modules.map { $0.path(layer: layer) } }
            return Adapter(
                groups: base.adaptableGroups, targets: targets, config: AdapterConfig(r: r, loraAlpha: 16))
        }
        func example(_ title: String, _ adapter: Adapter, of count: Int) -> ShareExample {
            ShareExample(
                title: title, parameters: adapter.parameterCount,
                share: Double(adapter.parameterCount) / Double(count))
        }
        return [
            example("one 4096 × 4096 layer, r = 8", square, of: 4096 * 4096),
            example("\(shape.name), q and v, r = 8", adapter(8, [.q, .v]), of: base.config.parameterCount),
            example(
                "\(shape.name), all linear, r = 64", adapter(64, Set(LinearModule.allCases)),
                of: base.config.parameterCount),
        ]
    }
}
