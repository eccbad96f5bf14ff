import Foundation
import Testing
import Tokenizers
import WeightFiles

/// Equality with the reference, line by line, of ids, ranges and decoded text.
@Suite struct EqualityTests {
    @Test(arguments: Reference.families)
    func corpusIsEqual(family: String) throws {
        try compare(Reference.tokenizer(family), family)
    }

    @Test(arguments: Reference.families)
    func fuzzIsEqual(family: String) throws {
        try compareFuzz(Reference.tokenizer(family), family)
    }

    @Test(arguments: ["llama2", "llama3", "qwen2"])
    func ggufFilesAreEqual(family: String) throws {
        let tokenizer = try Reference.ggufTokenizer("\(Reference.folder)/\(family).gguf")
        try compare(tokenizer, family)
        try compareFuzz(tokenizer, family)
    }

    @Test func smolLM2IsEqual() throws {
        let tokenizer = try Reference.ggufTokenizer(Reference.smolLM2)
        #expect(tokenizer.vocabularySize == 49152)
        try compare(tokenizer, "smollm2")
        try compareFuzz(tokenizer, "smollm2")
    }

    private func compare(_ tokenizer: Tokenizer, _ family: String) throws {
        for line in try Reference.corpus(family) {
            let encoding = try tokenizer.encode(line.text, addSpecialTokens: true)
            try #require(encoding.ids == line.ids, "\(family): \(shown(line.text))")
            #expect(lossy(tokenizer.decode(line.ids, skipSpecialTokens: false)) == line.decoded, "\(family)")
            #expect(lossy(tokenizer.decode(line.ids, skipSpecialTokens: true)) == line.skipped, "\(family)")
            let difference = rangeDifference(line, encoding.ranges)
            #expect(difference == nil, "\(family): \(shown(line.text)): \(difference ?? "")")
        }
    }

    private func compareFuzz(_ tokenizer: Tokenizer, _ family: String) throws {
        for (text, ids) in try Reference.fuzz(family) {
            #expect(try tokenizer.encode(text, addSpecialTokens: true).ids == ids, "\(family): \(shown(text))")
        }
    }

    /// The reference counts whole characters: ranges are widened to them. In a text that normalisation changes they may
    /// cover more than the reference's: all that was joined.
    private func rangeDifference(_ line: Reference.Line, _ ranges: [Range<Int>]) -> String? {
        guard let offsets = line.offsets else { return nil }
        guard ranges.count == offsets.count else { return "\(ranges.count) ranges" }
        var character = -1
        let characters = line.text.map { byte in
            if byte & 0xC0 != 0x80 { character += 1 }
            return character
        }
        for (index, (range, offset)) in zip(ranges, offsets).enumerated() where !range.isEmpty {
            let widened = characters[range.lowerBound]..<characters[range.upperBound - 1] + 1
            let isEqual =
                line.isNormalized
                ? widened.lowerBound <= offset.lowerBound && widened.upperBound >= offset.upperBound : widened == offset
            if !isEqual { return "token \(index): \(widened), expected \(offset)" }
        }
        return nil
    }
}
