import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Unicode's classes and compositions over all scalars against the reference's.
@Suite struct UnicodeTests {
    @Test(arguments: [#"\p{L}"#, #"\p{N}"#, #"\s"#, #"\p{Lu}"#, #"\p{Ll}"#, #"\p{M}"#, #"\p{P}"#, #"\p{S}"#, "Digits"])
    func classesAreEqual(name: String) throws {
        let bounds = try #require(Reference.json("classes.json")[name]?.array).map { UInt32(try #require($0.int)) }
        let set = name == "Digits" ? ScalarSet.digits : try Pattern(name).sets[0]
        var index = 0
        var differences: [UInt32] = []
        for scalar: UInt32 in 0..<0x110000 where !(0xD800..<0xE000).contains(scalar) {
            if index < bounds.count, scalar > bounds[index + 1] { index += 2 }
            let isMember = index < bounds.count && scalar >= bounds[index]
            if set.contains(scalar) != isMember { differences.append(scalar) }
        }
        #expect(differences.isEmpty, "\(name): \(differences.prefix(10).map { String($0, radix: 16) })")
    }

    @Test func compositionsAreEqual() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(Reference.folder)/compositions.txt"))
        let lines = Array(data).split(separator: 0x0A).map { $0.split(separator: 0x09).map { Array($0) } }
        #expect(lines.count > 3000)
        for line in lines {
            let composed = try Normalizer.nfc.apply(AlignedText(original: line[0])).bytes
            #expect(composed == line[1], "\(shown(line[0]))")
        }
    }

    /// Ranges through composition: each byte of a changed stretch stands for the whole stretch.
    @Test func compositionKeepsTrack() throws {
        let text = AlignedText(original: Array("ae\u{301}x\u{1112}\u{1161}\u{11AB}\u{AC00}\u{11A8}".utf8))
        let composed = try Normalizer.nfc.apply(text)
        #expect(composed.bytes == Array("a\u{E9}x\u{D55C}\u{AC01}".utf8))
        #expect(
            (0..<9).map { composed.original($0..<$0 + 1) } == [
                0..<1, 1..<4, 1..<4, 4..<5, 5..<14, 5..<14, 5..<14, 14..<20, 14..<20,
            ])
    }

    @Test func invalidTextIsRefused() throws {
        let tokenizer = try Reference.tokenizer("gpt2")
        for bytes: [UInt8] in [
            [0x61, 0x0A, 0xFF], [0x61, 0x0A, 0xC3], [0x61, 0x0A, 0xED, 0xA0, 0x80], [0x61, 0x0A, 0xC0, 0x80],
        ] {
            let error = #expect(throws: TokenizerError.self) { try tokenizer.encode(bytes, addSpecialTokens: true) }
            let expected = "byte 2 (line 2) is 0x\(String(bytes[2], radix: 16, uppercase: true))"
            #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
        }
    }
}
