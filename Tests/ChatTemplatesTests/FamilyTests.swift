import ChatTemplates
import JSONText
import Testing

/// The templates of model families over conversations, against jinja2 with Transformers' settings.
@Suite struct FamilyTests {
    @Test func rendersAsTransformersDoes() throws {
        let conversations = try Fixtures.json("conversations.json")
        let fixture = try Fixtures.json("rendered.json")
        let cases = try #require(fixture["cases"]?.array)
        #expect(cases.count > 500)
        var templates: [String: ChatTemplate] = [:]
        var withSpans = 0
        for test in cases {
            let name = try #require(test["template"]?.string)
            let conversation = try #require(test["conversation"]?.string)
            let options = try #require(test["options"])
            let messages = try #require(conversations[conversation]?.array)
            let template = try templates[name] ?? Fixtures.template(name)
            templates[name] = template
            let label = "\(name), \(conversation), \(options.text())"
            let extra = options.variables.filter { !["add_generation_prompt", "tools"].contains($0.0) }
            do {
                let rendered = try template.render(
                    messages: messages, addGenerationPrompt: options["add_generation_prompt"]?.bool ?? false,
                    bosToken: "<s>", eosToken: "</s>", tools: options["tools"] == nil ? nil : fixture["tools"],
                    extra: extra,
                    date: Fixtures.date)
                let expected = try #require(test["text"]?.string, "\(label) should fail, gives \(rendered.string)")
                #expect(rendered.text == Array(expected.utf8), "\(label)")
                if let ranges = test["generations"]?.array {
                    #expect(rendered.usesGenerationBlocks)
                    let expected = ranges.map { $0.array!.map { $0.int! } }
                    #expect(rendered.ranges.map { Array($0.dropFirst()) } == expected, "\(label)")
                }
                if let spans = test["spans"]?.array {
                    withSpans += 1
                    #expect(rendered.ranges == spans.map { $0.array!.map { $0.int! } }, "\(label): \(rendered.said)")
                }
            } catch let error as TemplateError {
                #expect(test["text"] == nil, "\(label): \(error)")
                #expect(error.isRaisedByTemplate == (test["raised"] != nil), "\(label): \(error)")
                if let raised = test["raised"]?.string { #expect(error.reason == raised, "\(label)") }
            }
        }
        #expect(withSpans > 100)
    }
}
