import Foundation
import LoRA
import Testing
import WeightFiles

/// Biases and modules that are saved whole in an adapter's folder, and its numbers in 16 bits.
@Suite struct TrainedPartTests {
    private static let module = "model.layers.0.self_attn.q_proj"

    private static func tensor(_ name: String, _ rows: Int, _ columns: Int, _ first: Float = 1) -> NamedTensor {
        NamedTensor(
            name: "base_model.model.\(name)", rows: rows, columns: columns,
            floats: (0..<rows * columns).map { first + Float($0) / 3 })
    }

    private static let pair = [
        tensor(module + ".lora_A.weight", 2, 3), tensor(module + ".lora_B.weight", 4, 2),
    ]
    private static let own = tensor(module + ".base_layer.bias", 1, 4)
    private static let other = tensor("model.layers.0.mlp.up_proj.bias", 1, 5)
    private static let head = tensor("lm_head.weight", 6, 3), embedding = tensor("model.embed_tokens.weight", 6, 3)

    private static func config(
        _ bias: AdapterConfig.Bias, _ modules: [AdapterConfig.WholeModule] = []
    ) -> AdapterConfig {
        var config = AdapterConfig(r: 2, loraAlpha: 4, targetModules: .list(["q_proj"]))
        config.bias = bias
        config.modulesToSave = modules
        return config
    }

    private func write(_ folder: PEFTFolder, as format: NumberFormat = .float32) throws -> PEFTFolder {
        let path = NSTemporaryDirectory() + "lora-dist-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try folder.write(to: path, as: format)
        let weights = try TensorCollection.safetensors(at: "\(path)/\(PEFTFolder.weightsName)").tensors
        #expect(weights.allSatisfy { $0.type == (format == .float32 ? .f32 : format == .float16 ? .f16 : .bf16) })
        #expect(weights.allSatisfy { $0.shape.count == ($0.name.hasSuffix("bias") ? 1 : 2) })
        return try PEFTFolder.read(path)
    }

    @Test func readsWhatItWrites() throws {
        let tensors = Self.pair + [Self.own, Self.other, Self.head, Self.embedding]
        let folder = try PEFTFolder(config: Self.config(.all, [.embedding, .head]), tensors: tensors)
        #expect(folder.modules == [Self.module])
        #expect(try write(folder) == folder)
        // Of a model without biases there are none, whatever the config asks for.
        #expect(try PEFTFolder(config: Self.config(.all), tensors: Self.pair).modules == [Self.module])
        #expect(try folder.updateNorms().map(\.module) == [Self.module])
    }

    @Test(
        arguments: [
            (AdapterConfig.Bias.none, [], [own], "base_layer.bias is not supported"),
            (.loraOnly, [], [other], "up_proj.bias is a bias of a module that is not adapted"),
            (.all, [], [tensor(module + ".bias", 1, 4)], "is a bias of a module that is adapted"),
            (.all, [], [tensor("model.layers.0.mlp.up_proj.base_layer.bias", 1, 4)], "that is not adapted"),
            (.all, [], [own, own], "is there twice"),
            (.none, [.head], [], "base_model.model.lm_head.weight is missing, modules_to_save names it"),
            (.none, [.head], [head, head], "is there twice"),
            (
                .none, [.head], [head, embedding],
                "holds base_model.model.model.embed_tokens.weight, which modules_to_save"
            ),
        ] as [(AdapterConfig.Bias, [AdapterConfig.WholeModule], [NamedTensor], String)])
    func whatDoesNotFitIsRefused(
        _ bias: AdapterConfig.Bias, _ modules: [AdapterConfig.WholeModule], _ more: [NamedTensor], _ reason: String
    ) throws {
        let error = try #require(throws: WeightFileError.self) {
            try PEFTFolder(config: Self.config(bias, modules), tensors: Self.pair + more, source: "f")
        }
        #expect(error.file == "f" && error.reason.contains(reason), "\(error)")
    }

    /// Nearest, ties to even.
    @Test(
        arguments: [
            (
                NumberFormat.float16, [1, 1 + 0x1p-11, 1 + 0x3p-11, 65_504, -0.0, 0x1p-25],
                [1, 1, 1 + 0x1p-9, 65_504, -0.0, 0]
            ),
            (.bfloat16, [1, 1 + 0x1p-8, 1 + 0x3p-8, 65_504, -0.0, .pi], [1, 1, 1 + 0x1p-6, 65_536, -0.0, 3.140625]),
        ] as [(NumberFormat, [Float], [Float])])
    func sixteenBits(_ format: NumberFormat, _ given: [Float], _ expected: [Float]) throws {
        let a = NamedTensor(name: Self.pair[0].name, rows: 2, columns: 3, floats: given)
        let folder = try PEFTFolder(config: Self.config(.loraOnly), tensors: [a, Self.pair[1], Self.own])
        let read = try write(folder, as: format)
        #expect(read[a.name]!.floats.map(\.bitPattern) == expected.map(\.bitPattern))
        // What fits the format stays as it is when it is written again.
        #expect(try write(read, as: format) == read)
    }

    @Test(arguments: [
        (NumberFormat.float16, Float(65_520), "65,504"), (.bfloat16, .greatestFiniteMagnitude, "3.39e38"),
    ])
    func numbersBeyondTheFormatAreRefused(_ format: NumberFormat, _ value: Float, _ most: String) throws {
        let a = NamedTensor(name: Self.pair[0].name, rows: 2, columns: 3, floats: [1, 2, 3, 4, value, 6])
        let folder = try PEFTFolder(config: Self.config(.none), tensors: [a, Self.pair[1]])
        let error = try #require(throws: WeightFileError.self) { try write(folder, as: format) }
        #expect(
            error.reason.contains("q_proj.lora_A.weight[1, 1] is \(value), and \(format.rawValue) ends at \(most)"),
            "\(error)")
        #expect(try write(folder) == folder)
    }
}
