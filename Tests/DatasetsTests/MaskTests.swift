import ChatTemplates
import Foundation
import JSONText
import Testing
import Tokenizers

@testable import Datasets

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

/// A conversation of masks.json: the tokens and the mask that Transformers makes of it with TRL's training template.
struct MaskCase: Sendable, CustomTestStringConvertible {
    let family: String
    let name: String
    let messages: [JSON]
    let ids: [Int32]
    let mask: [Bool]
    var testDescription: String { "\(family): \(name)" }

    static let all: [MaskCase] = {
        let data = FileManager.default.contents(atPath: fixtures.appendingPathComponent("masks.json").path) ?? Data()
        guard let cases = try? JSON(parsing: Array(data)).array else { return [] }
        return cases.compactMap { value in
            guard let family = value["family"]?.string, let name = value["name"]?.string,
                let messages = value["messages"]?.array, let ids = value["ids"]?.array,
                let mask = value["mask"]?.string
            else { return nil }
            return MaskCase(
                family: family, name: name, messages: messages, ids: ids.compactMap { $0.int.map(Int32.init) },
                mask: mask.utf8.map { $0 == UInt8(ascii: "1") })
        }
    }()

    /// This project's example, with the family's template as it is or without its `{% generation %}` blocks.
    func example(marked: Bool) throws -> Example {
        let tokenizer = try Tokenizer(folder: fixtures.appendingPathComponent("tokenizer").path)
        var source = try String(
            contentsOf: fixtures.appendingPathComponent("templates/\(family).jinja"), encoding: .utf8)
        if !marked {
            source = source.replacingOccurrences(of: " generation %}", with: " if true %}")
                .replacingOccurrences(of: " endgeneration %}", with: " endif %}")
        }
        let builder = try ExampleBuilder(
            tokenizer: tokenizer, template: ChatTemplate(source: source, name: family), options: DataOptions())
        return try builder.example(.chat(messages: messages, completionStart: 0, tools: nil), trainOn: .assistant)
    }

}

@Suite struct MaskTests {
    @Test func casesAreThere() {
        #expect(MaskCase.all.count == 40)
        #expect(Set(MaskCase.all.map(\.family)) == ["llama3", "gemma", "phi3", "qwen2_5", "qwen3"])
    }

    /// A template that marks what the assistant says: tokens and labels are those of Transformers and TRL, every one.
    @Test(arguments: MaskCase.all)
    func markedTemplate(fixture: MaskCase) throws {
        let example = try fixture.example(marked: true)
        #expect(example.tokens == fixture.ids)
        #expect(example.labels == zip(fixture.ids, fixture.mask).map { $1 ? $0 : Example.ignored })
    }

    /// The same templates without marks: the labels are TRL's but for what TRL's blocks hold before the answer (a line
    /// end that belongs to the generation prompt) and after the stop token (a line end, a second stop token). Nothing that
    /// TRL does not train is trained.
    @Test(arguments: MaskCase.all)
    func unmarkedTemplate(fixture: MaskCase) throws {
        let tokenizer = try Tokenizer(folder: fixtures.appendingPathComponent("tokenizer").path)
        let stops = StopTokens(encoder: try ModelEncoder(tokenizer), extra: [])
        let example = try fixture.example(marked: false)
        #expect(example.tokens == fixture.ids)
        var expected = fixture.mask
        var hasEnded = false
        var isOpening = true
        for (index, isMarked) in fixture.mask.enumerated() {
            guard isMarked else {
                hasEnded = false
                isOpening = true
                continue
            }
            // Qwen2.5's blocks begin with the line end of the generation prompt, unless a token joins it with the answer.
            let isPrompt = fixture.family == "qwen2_5" && tokenizer.text(of: fixture.ids[index]) == [0x0A]
            if hasEnded || (isOpening && isPrompt) { expected[index] = false }
            isOpening = false
            hasEnded = hasEnded || stops.contains(fixture.ids[index])
        }
        let trained = example.labels.map { $0 != Example.ignored }
        #expect(trained == expected)
        if fixture.family == "llama3" { #expect(trained == fixture.mask) }
    }
}
