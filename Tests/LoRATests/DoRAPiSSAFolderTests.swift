import Foundation
import LoRA
import Testing
import WeightFiles

private let module = "model.layers.0.self_attn.q_proj"
private let magnitudes = "base_model.model.\(module).lora_magnitude_vector"

private func tensor(_ name: String, _ rows: Int, _ columns: Int, _ first: Float = 1) -> NamedTensor {
    NamedTensor(
        name: name, rows: rows, columns: columns, floats: (0..<rows * columns).map { first + Float($0) })
}

private func pair(_ first: Float = 1, rank: Int = 2) -> [NamedTensor] {
    [tensor(PEFTFolder.nameOfA(module), rank, 3, first), tensor(PEFTFolder.nameOfB(module), 4, rank, -first)]
}

private func config(dora: Bool = false, pissa: Bool = false) -> AdapterConfig {
    var config = AdapterConfig(r: 2, loraAlpha: 4, targetModules: .list(["q_proj"]))
    config.useDoRA = dora
    if pissa { config.initLoRAWeights = .pissa(iterations: nil) }
    return config
}

private func temporaryPath() -> String { NSTemporaryDirectory() + "lora-dist-\(UUID().uuidString)" }

@Test func readsAndWritesDoRAAsPEFTDoes() throws {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("ModelsTests/Fixtures/variants").path
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    for name in ["dora", "dora-biases", "pissa", "pissa-dora"] {
        let adapter = try PEFTFolder.read("\(fixtures)/\(name)/adapter")
        #expect(adapter.config.useDoRA == name.contains("dora"))
        #expect(adapter.initial.count == (name.contains("pissa") ? 2 * adapter.modules.count : 0))
        try adapter.write(to: path)
        for file in [PEFTFolder.weightsName] + (name == "pissa" ? ["pissa_init/\(PEFTFolder.weightsName)"] : []) {
            let (found, wanted) = ("\(path)/\(file)", "\(fixtures)/\(name)/adapter/\(file)")
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: found)) == Data(contentsOf: URL(fileURLWithPath: wanted)),
                "\(name): \(file)")
        }
    }
}

@Test func doraTensorsMustFit() throws {
    let good = pair() + [tensor(magnitudes, 1, 4)]
    #expect(try PEFTFolder(config: config(dora: true), tensors: good).tensors.count == 3)
    for (tensors, config, reason) in [
        (pair(), config(dora: true), "\(magnitudes) is missing"),
        (good, config(), "use_dora is not true"),
        (pair() + [tensor(magnitudes, 1, 3)], config(dora: true), "[3], expected (4)"),
        ([tensor(magnitudes, 1, 4)], config(dora: true), "its lora_A and lora_B are missing"),
    ] {
        let error = try #require(throws: WeightFileError.self) { try PEFTFolder(config: config, tensors: tensors) }
        #expect(error.reason.contains(reason), "\(error)")
    }
}

@Test func pissaNeedsWhatItBeganWith() throws {
    let pissa = config(pissa: true)
    #expect(try PEFTFolder(config: pissa, tensors: pair(), initial: pair(9)).initial == pair(9))
    for (config, initial) in [
        (pissa, []), (pissa, [pair(9)[0]]), (pissa, pair(9, rank: 1)), (config(), pair(9)),
    ] as [(AdapterConfig, [NamedTensor])] {
        let error = try #require(throws: WeightFileError.self) {
            try PEFTFolder(config: config, tensors: pair(), initial: initial)
        }
        #expect(error.reason.contains("pissa_init"), "\(error)")
    }
    // A folder without it, as PEFT saves one that is not to be converted.
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try PEFTFolder(config: pissa, tensors: pair(), initial: pair(9)).write(to: path)
    #expect(try PEFTFolder.read(path).initial == pair(9))
    try FileManager.default.removeItem(atPath: "\(path)/pissa_init")
    let error = try #require(throws: WeightFileError.self) { try PEFTFolder.read(path) }
    #expect(error.reason.contains("init_lora_weights is \"pissa\"") && error.reason.contains("is missing"), "\(error)")
    #expect(error.reason.contains("path_initial_model_for_weight_conversion"), "\(error)")
}

@Test func plainLoRAOfPiSSA() throws {
    var pissa = config(dora: true, pissa: true)
    pissa.alphaPattern = try ModulePatterns([("q_proj", 3.0)])
    pissa.rankPattern = try ModulePatterns([("v_proj", 7)])
    let folder = try PEFTFolder(
        config: pissa, tensors: pair() + [tensor(magnitudes, 1, 4)], initial: pair(9))
    let plain = try folder.plain()
    #expect(plain.config.r == 4 && plain.config.useDoRA && plain.config.initLoRAWeights == .standard)
    #expect(plain.config.scaling(of: module) == pissa.scaling(of: module))
    #expect(plain.config.rank(of: "model.layers.0.self_attn.v_proj") == 14)
    #expect(plain[PEFTFolder.nameOfA(module)]!.floats == pair()[0].floats + pair(9)[0].floats)
    let b = plain[PEFTFolder.nameOfB(module)]!
    #expect(b.rows == 4 && b.columns == 4)
    #expect(Array(b.floats[..<8]) == [-1, 0, 9, 8, 1, 2, 7, 6])
    #expect(plain[magnitudes] == folder[magnitudes])
    // ΔW is that of B A − B₀ A₀.
    let norm = try folder.updateNorms()[0].norm
    var squares = 0.0
    for row in 0..<4 {
        for column in 0..<3 {
            let terms = (0..<4).map {
                Double(b.floats[row * 4 + $0]) * Double(plain.tensors[0].floats[$0 * 3 + column])
            }
            squares += terms.reduce(0, +) * terms.reduce(0, +)
        }
    }
    #expect(abs(norm / (squares.squareRoot() * 1.5) - 1) < 1e-12)
}
