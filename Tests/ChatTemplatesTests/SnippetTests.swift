import ChatTemplates
import JSONText
import Testing

/// Pieces of the language, against jinja2 with Transformers' settings.
@Suite struct SnippetTests {
    @Test func meansWhatJinjaMeans() throws {
        let fixture = try Fixtures.json("snippets.json")
        let variables = try #require(fixture["variables"]).variables
        let snippets = try #require(fixture["snippets"]?.array)
        #expect(snippets.count > 250)
        for snippet in snippets {
            let source = try #require(snippet["source"]?.string)
            do {
                let text = try Fixtures.render(source, variables)
                let expected = try #require(snippet["text"]?.string, "\(source) should fail, gives \(text)")
                #expect(Array(text.utf8) == Array(expected.utf8), "\(source)")
            } catch let error as TemplateError {
                #expect(snippet["text"] == nil, "\(source): \(error)")
                if let raised = snippet["raised"]?.string { #expect(error.reason == raised, "\(source)") }
            }
        }
    }
}
