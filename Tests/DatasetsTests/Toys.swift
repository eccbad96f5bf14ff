import Foundation
import JSONText

@testable import Datasets

/// A tokenizer of one token per byte (its value), with special tokens numbered from 256.
struct ByteEncoder: TextEncoder {
    var specials = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    var addsBOS = false
    var eosText: String? = "</s>"

    func encode(_ text: [UInt8]) throws -> (ids: [Int32], ranges: [Range<Int>]) {
        var ids: [Int32] = []
        var ranges: [Range<Int>] = []
        var position = 0
        while position < text.count {
            let special = specials.firstIndex { text[position...].starts(with: Array($0.utf8)) }
            let length = special.map { specials[$0].utf8.count } ?? 1
            ids.append(special.map { Int32(256 + $0) } ?? Int32(text[position]))
            ranges.append(position..<position + length)
            position += length
        }
        return (ids, ranges)
    }

    var addedBOS: Int32? { addsBOS ? specialToken("<s>") : nil }
    var eos: Int32? { eosText.flatMap { specialToken($0) } }
    func specialToken(_ text: String) -> Int32? { specials.firstIndex(of: text).map { Int32(256 + $0) } }

    func text(_ ids: some Sequence<Int32>) -> String {
        String(decoding: ids.flatMap { $0 < 256 ? [UInt8($0)] : Array(specials[Int($0) - 256].utf8) }, as: UTF8.self)
    }

    /// The example's text with the trained stretches in ⟦ ⟧.
    func marked(_ example: Example) -> String {
        var out = ""
        var run: [Int32] = []
        var isTrained = false
        func flush() { out += run.isEmpty ? "" : isTrained ? "⟦" + text(run) + "⟧" : text(run) }
        for (token, label) in zip(example.tokens, example.labels) {
            if (label == token) != isTrained {
                flush()
                run = []
                isTrained.toggle()
            }
            run.append(token)
        }
        flush()
        return out
    }
}

/// `<role>content</s>` for each turn, as a template would write it; "system" is refused like some templates do.
struct PlainRenderer: ConversationRenderer {
    var prefix = ""
    var header: @Sendable (String) -> String = { role in "[\(role)]" }
    var ending: @Sendable (String) -> String = { role in role == "assistant" ? "</s>\n" : "\n" }
    /// What follows the last message.
    var trailer = ""
    var refusesSystem = false
    /// Marks the assistant's text from its header to its ending, as a `{% generation %}` block may.
    var marksBlocks = false

    struct Refusal: Error, CustomStringConvertible { let description = "template, line 3: System role not supported" }

    func render(_ messages: [JSON], tools: JSON?, addGenerationPrompt: Bool) throws -> RenderedConversation {
        var result = RenderedConversation(
            text: Array(prefix.utf8), assistant: [], others: [], usesGenerationBlocks: marksBlocks)
        if let tools { result.text += Array("tools \(tools.text(compact: true))\n".utf8) }
        for (index, message) in messages.enumerated() {
            let role = message["role"]?.string ?? ""
            if role == "system", refusesSystem { throw Refusal() }
            result.text += Array(header(role).utf8)
            let start = result.text.count
            result.text += Array((message["content"]?.string ?? "").utf8)
            var end = result.text.count
            result.text += Array(ending(role).utf8)
            if marksBlocks { end = result.text.count }
            let span = MessageSpan(message: index, range: start..<end)
            if role == "assistant" { result.assistant.append(span) } else if !marksBlocks { result.others.append(span) }
        }
        result.text += Array(trailer.utf8)
        if addGenerationPrompt { result.text += Array(header("assistant").utf8) }
        return result
    }
}

/// A folder of data files that is removed with the value's last use.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "datasets-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// A data set of one file of these bytes with toy tokenizer and template, and what its errors and rows look like with the
/// folder's path left out.
struct Trial {
    let folder: TemporaryFolder
    let dataset: SFTDataset
    let encoder: ByteEncoder

    init(
        _ text: String, options: DataOptions = DataOptions(), encoder: ByteEncoder = ByteEncoder(),
        renderer: PlainRenderer? = PlainRenderer()
    ) throws {
        try self.init(bytes: Array(text.utf8), options: options, encoder: encoder, renderer: renderer)
    }

    init(
        bytes: [UInt8], options: DataOptions = DataOptions(), encoder: ByteEncoder = ByteEncoder(),
        renderer: PlainRenderer? = PlainRenderer()
    ) throws {
        folder = try TemporaryFolder()
        self.encoder = encoder
        let path = try folder.file("data.jsonl", bytes)
        do {
            dataset = try SFTDataset(
                files: [path], builder: ExampleBuilder(encoder: encoder, renderer: renderer, options: options))
        } catch {
            throw Failure(description: "\(error)".replacingOccurrences(of: folder.path + "/", with: ""))
        }
    }

    /// All rows, trained stretches in ⟦ ⟧.
    func rows() throws -> [String] {
        try (0..<dataset.count).map { encoder.marked(try dataset.example($0)) }
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// The message of the first error that making or measuring the data set throws; nil if there is none.
    static func failure(
        _ text: String, options: DataOptions = DataOptions(), encoder: ByteEncoder = ByteEncoder(),
        renderer: PlainRenderer? = PlainRenderer()
    ) -> String? {
        failure(bytes: Array(text.utf8), options: options, encoder: encoder, renderer: renderer)
    }

    static func failure(
        bytes: [UInt8], options: DataOptions = DataOptions(), encoder: ByteEncoder = ByteEncoder(),
        renderer: PlainRenderer? = PlainRenderer()
    ) -> String? {
        do {
            let trial = try Trial(bytes: bytes, options: options, encoder: encoder, renderer: renderer)
            do { _ = try trial.dataset.measure(0..<trial.dataset.count) } catch {
                return "\(error)".replacingOccurrences(of: trial.folder.path + "/", with: "")
            }
            return nil
        } catch { return "\(error)" }
    }
}
