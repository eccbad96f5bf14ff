import Foundation
import JSONText
import Testing

/// A folder with a tiny chat model, data and a config: a run that works until a test spoils a part of it.
struct TinyRun {
    let folder: TemporaryFolder
    var path: String { folder.path }

    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("ModelsTests/Fixtures")

    /// Puts `model/` (a Llama of two layers), `model.gguf` (the same), `train.jsonl` (8 conversations) and `good.yaml`
    /// (two steps into `run/`) into a new folder.
    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.copyItem(
            atPath: Self.fixtures.appendingPathComponent("chat").path, toPath: folder.path + "/model")
        try FileManager.default.copyItem(
            atPath: Self.fixtures.appendingPathComponent("gguf/chat-BF16.gguf").path,
            toPath: folder.path + "/model.gguf")
        try folder.write((0..<8).map(Self.row).joined(), to: "train.jsonl")
        try folder.write(
            """
            model: {path: model}
            lora: {r: 2}
            data: {train: train.jsonl}
            training: {max_steps: 2, global_batch_size: 4, logging_steps: 1, threads: 1}
            output: {dir: run}
            """, to: "good.yaml")
    }

    /// A line of the data.
    static func row(_ index: Int) -> String {
        let question = #"{"role": "user", "content": "say \#(index)"}"#
        let answer = #"{"role": "assistant", "content": "\#(String(repeating: "ab", count: index + 1))"}"#
        return #"{"messages": [\#(question), \#(answer)]}"# + "\n"
    }

    /// The bytes of a file.
    func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
    }

    /// Changes the bytes of a file.
    func spoil(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try bytes(name)
        change(&bytes)
        try folder.write(Data(bytes), to: name)
    }

    /// Changes the text of a file.
    func replace(_ text: String, with other: String, in name: String) throws {
        let whole = String(decoding: try bytes(name), as: UTF8.self)
        precondition(whole.contains(text), "\(name) has no \(text)")
        try folder.write(whole.replacing(text, with: other), to: name)
    }

    /// Changes the members of the header of `model/model.safetensors`, and leaves the data as they are.
    func spoilHeader(_ change: (inout [(key: String, value: JSON)]) -> Void) throws {
        let name = "model/model.safetensors"
        let bytes = try bytes(name)
        let count = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        var members = try JSON(parsing: Array(bytes[8..<8 + count])).object!.members
        change(&members)
        let header = Array(JSON.object(JSONObject(members)).text(compact: true).utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try folder.write(Data(length + header + bytes[(8 + count)...]), to: name)
    }

    /// Changes one property of a tensor in the header of `model/model.safetensors`.
    func spoil(tensor: String, _ property: String, _ json: String) throws {
        let value = try JSON(parsing: json)
        try spoilHeader { members in
            let position = members.firstIndex { $0.key == tensor }!
            var properties = members[position].value.object!.members
            properties[properties.firstIndex { $0.key == property }!].value = value
            members[position].value = .object(JSONObject(properties))
        }
    }

    /// Trains as `good.yaml` says, with additions.
    func train(_ assignments: String..., ranks: Int? = nil) throws -> Outcome {
        try run(["train", "--config", "good.yaml"] + assignments.flatMap { ["--set", $0] }, ranks: ranks, in: path)
    }

    /// Expects training to be refused as one process and on two ranks.
    func refusesToTrain(_ assignments: String..., code: Int32 = 3, says texts: String...) throws {
        try expectRefusal(
            ["train", "--config", "good.yaml"] + assignments.flatMap { ["--set", $0] }, code: code, texts, in: path)
        guard !FileManager.default.fileExists(atPath: "\(path)/run/adapter") else {
            throw Unexpected(description: "a refused run left an adapter")
        }
    }

    struct Unexpected: Error, CustomStringConvertible { let description: String }
}
