import ChatTemplates
import JSONText
import Testing

/// Damaged templates end in text or in an error, soon.
@Suite struct FuzzTests {
    /// A small counter-free generator (SplitMix64), so that a failure comes back with its seed.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private static let pieces = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":", "'", "\"", "\\",
        "~", "*",
        "//", "%", "==", "<", " not ", " in ", " is ", " if ", " else ", "for x in ", "endfor", "set ", "endset",
        "macro m(a)",
        "endmacro", "call", "generation", "endgeneration", "loop.last", "loop", "messages", "namespace(a=1)",
        "range(9)",
        "tojson", "trim", "99999999999999999999", "9223372036854775807", "1e400", "é", "👩‍👩‍👧", "\u{0}", "\n", "\t", " ",
        "none", "true",
        "[::-1]", ".split()", ".items()", "map('upper')", "sort", "indent(3)", "**", "raw", "endraw", "break",
        "continue",
    ]

    @Test(arguments: 0..<8)
    func mutatedTemplatesNeverCrash(seed: Int) throws {
        var generator = Generator(state: UInt64(seed) &+ 20_240_706)
        let conversations = try #require(Fixtures.json("conversations.json").object)
        let tools = try Fixtures.json("rendered.json")["tools"]
        let sources = try Fixtures.templateNames.map { Array(try Fixtures.source($0).unicodeScalars) }
        var rendered = 0
        for _ in 0..<300 {
            var source = sources.randomElement(using: &generator)!
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let start = Int.random(in: 0..<source.count, using: &generator)
                let end = min(source.count, start + Int.random(in: 0...12, using: &generator))
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: source.removeSubrange(start..<end)
                case 1:
                    source.insert(contentsOf: Self.pieces.randomElement(using: &generator)!.unicodeScalars, at: start)
                case 2:
                    source.replaceSubrange(
                        start..<end, with: Self.pieces.randomElement(using: &generator)!.unicodeScalars)
                default:
                    source.insert(
                        contentsOf: source[start..<end], at: Int.random(in: 0...source.count, using: &generator))
                }
                if source.isEmpty { source = [" "] }
            }
            let text = String(String.UnicodeScalarView(source))
            let messages = conversations.members.randomElement(using: &generator)!.value.array!
            do {
                let template = try ChatTemplate(source: text, name: "mutated")
                let output = try template.render(
                    messages: messages, addGenerationPrompt: Bool.random(using: &generator), bosToken: "<s>",
                    eosToken: "</s>",
                    tools: Bool.random(using: &generator) ? tools : nil, date: Fixtures.date)
                rendered += 1
                var end = 0
                for span in output.assistantSpans {
                    #expect(span.range.lowerBound >= end && span.range.upperBound <= output.text.count, "\(text)")
                    end = span.range.upperBound
                }
                #expect(String(validating: output.text, as: UTF8.self) != nil, "\(text)")
            } catch let error as TemplateError {
                #expect(error.line >= 1 && !error.reason.isEmpty || error.isRaisedByTemplate)
            }
        }
        #expect(rendered > 10)
    }
}
