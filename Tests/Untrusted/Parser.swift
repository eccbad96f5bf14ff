import ChatTemplates
import Datasets
import JSONText
import LoRA
import Models
import Tokenizers
import WeightFiles

/// A reader of files that come from strangers, fed with bytes. What the fuzzers and the tests of known-bad files share.
public enum Parser: String, CaseIterable, Sendable {
    case json, safetensors, index, gguf, config, tokenizer, vocabulary, pattern, text, template, rows, adapter, matrices

    /// Reads the bytes as a file of this kind and touches everything that was read. Ends in time, or throws an error of
    /// this program whose text names what is wrong; every other outcome is a finding.
    /// - Throws: the reader's error.
    public func run(_ bytes: [UInt8]) throws {
        let folder = WorkFolder.shared
        do {
            switch self {
            case .json: try Reading.json(bytes)
            case .safetensors: try Reading.safetensors(bytes, folder)
            case .index: try Reading.index(bytes, folder)
            case .gguf: try Reading.gguf(bytes, folder)
            case .config: try Reading.config(bytes, folder)
            case .tokenizer: try Reading.tokenizer(bytes, folder)
            case .vocabulary: try Reading.specialTokens(bytes, folder)
            case .pattern: try Reading.pattern(bytes, folder)
            case .text: try Reading.text(bytes)
            case .template: try Reading.template(bytes)
            case .rows: try Reading.rows(bytes, folder)
            case .adapter: try Reading.adapter(bytes, folder)
            case .matrices: try Reading.matrices(bytes, folder)
            }
        } catch {
            precondition(Self.isKnown(error), "an error of a foreign type: \(type(of: error)): \(error)")
            let text = "\(error)"
            precondition(!text.isEmpty, "an error without a text")
            precondition(text.utf8.count < 100_000, "an error of \(text.utf8.count) bytes")
            throw error
        }
    }

    /// Reads a folder by the reader of the file with this name.
    /// - Throws: the reader's error.
    public static func readFolder(_ path: String, of name: String) throws {
        switch name {
        case "config.json": _ = try BaseModel(path: path)
        case "tokenizer.json": _ = try Tokenizer(folder: path)
        case PEFTFolder.configName: _ = try PEFTFolder.read(path)
        default: _ = try TensorCollection.folder(path)
        }
    }

    /// Whether the error is one that this program's libraries promise.
    private static func isKnown(_ error: any Error) -> Bool {
        error is JSONError || error is WeightFileError || error is TokenizerError || error is ModelError
            || error is DatasetError || error is TemplateError || error is ModuleSettingError
    }
}
