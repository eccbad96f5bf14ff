import Foundation
import LoRA
import Testing
import WeightFiles

/// A folder that is deleted when the test ends.
private final class Scratch {
    let path = NSTemporaryDirectory() + "lora-dist-\(UUID().uuidString)"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")) }
    func put(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
}

/// Tests/ModelsTests/Fixtures: models with adapters that PEFT saved.
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("ModelsTests/Fixtures").path

private let module = "model.layers.0.self_attn.q_proj"

/// One module's A (2, 3) and B (4, 2).
private func pair(_ module: String = module) -> [NamedTensor] {
    [
        NamedTensor(name: PEFTFolder.nameOfA(module), rows: 2, columns: 3, floats: [1, -2, 0.5, .pi, -0.0, 0x1p-140]),
        NamedTensor(name: PEFTFolder.nameOfB(module), rows: 4, columns: 2, floats: [1, 2, 3, 4, 5, 6, 7, 8]),
    ]
}

private let config = AdapterConfig(r: 2, loraAlpha: 4, targetModules: .list(["q_proj"]), baseModelName: "tiny")

@Test(arguments: ["tied", "untied-gqa-f16", "llama3-rope-bf16", "linear-rope-sharded", "biases", "mistral"])
func readsWhatPEFTSaved(_ name: String) throws {
    let all = try PEFTFolder.read("\(fixtures)/\(name)/adapter")
    #expect(all.config.r == 4 && all.config.loraAlpha == 8 && !all.config.useRSLoRA)
    #expect(all.config.baseModelName == name)
    let layers = name == "mistral" ? 3 : 2
    #expect(all.modules.count == 7 * layers)
    let some = try PEFTFolder.read("\(fixtures)/\(name)/adapter-qv")
    #expect(some.config.useRSLoRA && some.config.scaling == 4)
    #expect(
        Set(some.modules)
            == Set((0..<layers).flatMap { l in ["q", "v"].map { "model.layers.\(l).self_attn.\($0)_proj" } }))
    // The list that PEFT wrote names exactly the modules that have tensors.
    #expect(try all.config.targetModules.select(from: all.modules) == all.modules)
}

@Test(arguments: ["tied/adapter", "mistral/adapter-qv"])
func writesTheBytesThatPEFTWrites(_ name: String) throws {
    let scratch = try Scratch()
    let adapter = try PEFTFolder.read("\(fixtures)/\(name)")
    try adapter.write(to: "\(scratch.path)/adapter")
    let saved = try Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/\(name)/\(PEFTFolder.weightsName)"))
    #expect(try scratch.bytes("adapter/\(PEFTFolder.weightsName)") == saved)
    let again = try PEFTFolder.read("\(scratch.path)/adapter")
    #expect(again.tensors == adapter.tensors)
    // PEFT's list is in no order; what is written is sorted.
    guard case .list(let read) = adapter.config.targetModules else {
        throw WeightFileError(file: name, reason: "no list")
    }
    #expect(again.config.targetModules == .list(read.sorted()))
    try again.write(to: "\(scratch.path)/adapter")
    #expect(try PEFTFolder.read("\(scratch.path)/adapter") == again)
}

@Test func everyBitSurvivesAndOtherFilesStay() throws {
    let scratch = try Scratch()
    try scratch.put("mine", "notes.txt")
    try scratch.put("half", "adapter_config.json.partial")
    try FileManager.default.createDirectory(atPath: "\(scratch.path)/base", withIntermediateDirectories: true)
    try scratch.put(#"{"a": 1}"#, "base/tokenizer.json")
    try PEFTFolder(config: config, tensors: pair().reversed()).write(
        to: scratch.path, copying: ["\(scratch.path)/base/tokenizer.json"])
    let read = try PEFTFolder.read(scratch.path)
    #expect(read.config == config)
    #expect(read.tensors.map { $0.floats.map(\.bitPattern) } == pair().map { $0.floats.map(\.bitPattern) })
    #expect(read[PEFTFolder.nameOfB(module)]?.rows == 4)
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()
    #expect(names == ["adapter_config.json", "adapter_model.safetensors", "base", "notes.txt", "tokenizer.json"])
    #expect(try scratch.bytes("tokenizer.json") == Data(#"{"a": 1}"#.utf8))
}

/// A safetensors file of one module with the given 2-byte type; the numbers are 1, -2, 0.5, ….
@Test(arguments: [
    ("F16", [0x3C00, 0xC000, 0x3800, 0x0001, 0x7BFF, 0x8000]),
    ("BF16", [0x3F80, 0xC000, 0x3F00, 0x3380, 0x477F, 0x8000]),
])
func halfPrecisionIsWidened(_ type: String, _ bits: [Int]) throws {
    let scratch = try Scratch()
    try scratch.put(config.json(modules: [module]), PEFTFolder.configName)
    let header =
        #"{"\#(PEFTFolder.nameOfA(module))":{"dtype":"\#(type)","shape":[2,3],"data_offsets":[0,12]},"#
        + #""\#(PEFTFolder.nameOfB(module))":{"dtype":"\#(type)","shape":[3,2],"data_offsets":[12,24]}}"#
    var data = Data((0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) })
    data.append(contentsOf: header.utf8)
    for value in bits + bits { data.append(contentsOf: [UInt8(value & 255), UInt8(value >> 8)]) }
    try data.write(to: URL(fileURLWithPath: "\(scratch.path)/\(PEFTFolder.weightsName)"))
    let expected: [Float] =
        type == "F16" ? [1, -2, 0.5, 0x1p-24, 65504, -0.0] : [1, -2, 0.5, 0x1p-24, 65280, -0.0]
    for tensor in try PEFTFolder.read(scratch.path).tensors {
        #expect(tensor.floats.map(\.bitPattern) == expected.map(\.bitPattern))
    }
}

private func tensor(_ name: String, _ rows: Int, _ columns: Int) -> NamedTensor {
    NamedTensor(name: name, rows: rows, columns: columns, floats: Array(repeating: 0, count: rows * columns))
}

@Test(arguments: [
    ([], "holds no tensors"), ([pair()[0]], "\(PEFTFolder.nameOfB(module)) is missing"),
    ([pair()[1]], "\(PEFTFolder.nameOfA(module)) is missing"), (pair() + [pair()[0]], "is there twice"),
    (pair() + [tensor("base_model.model.lm_head.weight", 2, 2)], "lm_head.weight, which modules_to_save does not name"),
    (
        pair() + [tensor("base_model.model.x.lora_magnitude_vector", 1, 4)],
        "lora_magnitude_vector is one of DoRA's, and use_dora is not true"
    ),
    ([tensor(PEFTFolder.nameOfA(module), 3, 4), pair()[1]], "is (3, 4), expected (2, inputs): r is 2"),
    ([pair()[0], tensor(PEFTFolder.nameOfB(module), 2, 4)], "is (2, 4), expected (outputs, 2): r is 2"),
    (pair("model.layers.0.self_attn.k_proj"), "k_proj, which target_modules does not name"),
])
func tensorsThatAreNoAdapterAreRefused(_ tensors: [NamedTensor], _ reason: String) throws {
    let error = try #require(throws: WeightFileError.self) {
        try PEFTFolder(config: config, tensors: tensors, source: "f")
    }
    #expect(error.file == "f" && error.reason.contains(reason), "\(error)")
}

@Test func foldersThatCannotBeReadSayWhatToDo() throws {
    let scratch = try Scratch()
    func refusal() throws -> WeightFileError {
        try #require(throws: WeightFileError.self) { try PEFTFolder.read(scratch.path) }
    }
    #expect(try refusal().reason.contains("adapter_config.json is missing"))
    try scratch.put(config.json(modules: []), PEFTFolder.configName)
    #expect(try refusal().reason == "adapter_model.safetensors is missing")
    try scratch.put("pickle", "adapter_model.bin")
    let error = try refusal()
    #expect(error.file == "\(scratch.path)/adapter_model.bin" && error.reason.contains("load the adapter in PEFT"))
    try scratch.put("short", PEFTFolder.weightsName)
    #expect(try refusal().file == "\(scratch.path)/\(PEFTFolder.weightsName)")
}

@Test func aFolderThatCannotBeWrittenIsNamed() throws {
    let scratch = try Scratch()
    try scratch.put("", "file")
    let adapter = try PEFTFolder(config: config, tensors: pair())
    for path in ["\(scratch.path)/file", "\(scratch.path)/missing/adapter"] {
        let error = try #require(throws: WeightFileError.self) { try adapter.write(to: path) }
        #expect(error.file.hasPrefix(path))
    }
    let error = try #require(throws: WeightFileError.self) {
        try adapter.write(to: scratch.path, copying: ["\(scratch.path)/absent.json"])
    }
    #expect(error.description == "\(scratch.path)/absent.json: is missing")
}
