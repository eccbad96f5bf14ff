import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Regular expressions against the reference's, and the hand-written splitters against the expressions.
@Suite struct PatternTests {
    @Test func casesAreEqual() throws {
        for value in try #require(Reference.json("patterns.json").array) {
            let source = try #require(value["pattern"]?.string)
            let text = Array(try #require(value["text"]?.string).utf8)
            let expected = try #require(value["pieces"]?.array).map { Array(try #require($0.string).utf8) }
            let isInverted = value["invert"]?.bool == true
            let behavior = try #require(value["behavior"]?.string).split(separator: "_").map(\.capitalized).joined()
            let step = PreTokenizer.split(
                .pattern(try Pattern(source)), try #require(PreTokenizer.Behavior(rawValue: behavior)),
                inverted: isInverted)
            let pieces = try cut(text, step)
            #expect(pieces == expected, "\(source), \(behavior): \(pieces.map(shown)), \(expected.map(shown))")
        }
    }

    @Test(arguments: [WordSplitter.Style.gpt2, .llama3(digits: 3), .llama3(digits: 1)])
    func splittersEqualTheirExpressions(style: WordSplitter.Style) throws {
        let source = WordSplitter.source(of: style)
        let pattern = PreTokenizer.split(.pattern(try Pattern(source)), .isolated, inverted: false)
        let words = PreTokenizer.words(try #require(WordSplitter(source: source)))
        for text in try Reference.texts("corpus") + Reference.texts("fuzz") where !text.isEmpty {
            #expect(try cut(text, words) == cut(text, pattern), "\(shown(text))")
        }
    }

    @Test(arguments: [
        ("(?<=a)b", "group"), ("^a", "'^'"), ("a$", "'$'"), ("a**", "quantifier of a quantifier"),
        ("(a*)*", "may be empty"), ("a||b", "empty text"), ("(?=a)", "empty text"), ("[a", "']'"),
        ("[]", "empty class"), ("(a", "')'"), ("a)", "unexpected ')'"),
        ("\\p{Greek}", "\\p{Greek}"), ("\\p{L", "'}'"), ("\\b", "\\b"), ("\\1", "\\1"), ("[[:alpha:]]", "class within"),
        ("[a&&b]", "intersection"), ("a{2,1}", "interval"), ("a{1001}", "interval"), ("*a", "'*'"),
        ("(?i:é)", "non-ASCII"), ("(?i:\\p{Lu})", "case"), ("\\", "the end"), ("[b-a]", "range"),
        ("\\xg", "hexadecimal"),
        ("a{1,2}+", "quantifier of a quantifier"),
    ])
    func otherSyntaxIsRefused(source: String, named: String) {
        let error = #expect(throws: PatternError.self) { _ = try Pattern(source) }
        #expect(error?.reason.contains(named) == true, "\(source): \(error?.reason ?? "")")
    }

    @Test func deepNestingIsRefused() {
        let source = String(repeating: "(", count: 100_000) + String(repeating: ")", count: 100_000)
        #expect(throws: PatternError.self) { _ = try Pattern(source) }
        #expect(throws: PatternError.self) { _ = try Pattern("((a{1000}){1000}){1000}") }
    }

    private func cut(_ text: [UInt8], _ step: PreTokenizer) throws -> [[UInt8]] {
        var aligned = AlignedText(original: text)
        var pieces = [0..<text.count]
        try step.apply(&aligned, &pieces)
        return pieces.map { Array(aligned.bytes[$0]) }
    }
}
