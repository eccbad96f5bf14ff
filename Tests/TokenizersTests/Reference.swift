import Foundation
import JSONText
import Testing
import Tokenizers
import WeightFiles

/// The fixtures that `Fixtures/generate.py` made with the reference implementation.
enum Reference {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

    /// Tokenizers given as `tokenizer.json`.
    static let families = ["gpt2", "prefix", "smollm", "llama3", "qwen2", "tekken", "llama2", "metaspace", "split"]

    static func json(_ name: String) throws -> JSON {
        try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))))
    }

    static func tokenizer(_ family: String) throws -> Tokenizer { try Tokenizer(folder: "\(folder)/\(family)") }

    static func ggufTokenizer(_ path: String) throws -> Tokenizer {
        try Tokenizer(gguf: GGUFFile(path: path).metadata, file: path)
    }

    /// SmolLM2-135M-Instruct, which `launch/test.sh` fetches.
    static var smolLM2: String {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["LORA_DIST_CACHE"] ?? "\(NSHomeDirectory())/.cache/lora-dist"
        return "\(cache)/SmolLM2-135M-Instruct.Q4_1.gguf"
    }

    /// Texts and what the reference makes of them.
    struct Line {
        let text: [UInt8]
        let ids: [Int32]
        /// In characters (scalars) of the text; nil where the reference has them wrong.
        let offsets: [Range<Int>]?
        /// Whether normalisation changes the text.
        let isNormalized: Bool
        let decoded: [UInt8]
        /// Decoded without special tokens.
        let skipped: [UInt8]
    }

    static func texts(_ kind: String) throws -> [[UInt8]] {
        try #require(json("texts.json")[kind]?.array).map { Array(try #require($0.string).utf8) }
    }

    static func corpus(_ family: String) throws -> [Line] {
        let lines = try #require(json("expected/\(family).json")["corpus"]?.array)
        return try zip(texts("corpus"), lines).map { text, line in
            Line(
                text: text, ids: try unpack(line["ids"]), offsets: try line["offsets"].map(unpackOffsets),
                isNormalized: line["normalized"]?.bool == true,
                decoded: line["decoded"]?.string.map { Array($0.utf8) } ?? text,
                skipped: line["skipped"]?.string.map { Array($0.utf8) } ?? text)
        }
    }

    static func fuzz(_ family: String) throws -> [(text: [UInt8], ids: [Int32])] {
        let ids = try #require(json("expected/\(family).json")["fuzz"]?.array)
        return try zip(texts("fuzz"), ids).map { ($0, try unpack($1)) }
    }

    private static func decodeBase64(_ value: JSON?) throws -> [UInt8] {
        let text = try #require(value?.string)
        return Array(try #require(Data(base64Encoded: text)))
    }

    /// Pairs of bytes in base64: how far (signed) a range starts after the one before it, and its length.
    private static func unpackOffsets(_ value: JSON) throws -> [Range<Int>] {
        let bytes = try decodeBase64(value)
        var start = 0
        return stride(from: 0, to: bytes.count, by: 2).map {
            start += Int(Int8(bitPattern: bytes[$0]))
            return start..<start + Int(bytes[$0 + 1])
        }
    }

    /// Numbers of 16 bits in base64.
    private static func unpack(_ value: JSON?) throws -> [Int32] {
        let bytes = try decodeBase64(value)
        return stride(from: 0, to: bytes.count, by: 2).map { Int32(bytes[$0]) | Int32(bytes[$0 + 1]) << 8 }
    }
}

/// The text as the reference gives bytes that are not UTF-8.
func lossy(_ bytes: [UInt8]) -> [UInt8] { Array(String(decoding: bytes, as: UTF8.self).utf8) }

/// A byte string for messages.
func shown(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }
