import Foundation
import JSONText
import WeightFiles

/// The files beside `tokenizer.json` in a model's folder.
struct TokenizerFolder {
    let path: String

    /// Files that belong to a tokenizer, in the order in which an adapter's folder lists them.
    private static let fileNames = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
        "vocab.json", "merges.txt", "chat_template.jinja",
    ]

    func file(_ name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

    private func json(_ name: String) throws -> JSONPart? {
        exists(name) ? try TokenizerFile.read(file(name)) : nil
    }

    func names(_ pipeline: Pipeline) throws -> TokenizerNames {
        let config = try json("tokenizer_config.json")
        let map = try json("special_tokens_map.json")
        func token(_ key: String, isRequired: Bool) throws -> SpecialToken? {
            for source in [config, map].compactMap(\.self) {
                guard let part = try source.optional(key) else { continue }
                let text = try part.value.object == nil ? part.string() : part.member("content").string()
                if let id = pipeline.model.tokens.id(Array(text.utf8)) { return SpecialToken(id: id, text: text) }
                guard !isRequired else { throw part.error("is \"\(text)\", which is not in the vocabulary") }
            }
            return nil
        }
        var names = TokenizerNames()
        names.bos = try token("bos_token", isRequired: true)
        names.eos = try token("eos_token", isRequired: true)
        names.unk = try token("unk_token", isRequired: false)
        names.pad = try token("pad_token", isRequired: false)
        if config == nil, map == nil {
            names.bos = try modelToken("bos_token_id", pipeline)
            names.eos = try modelToken("eos_token_id", pipeline)
        }
        names.chatTemplate = try chatTemplate(config)
        names.files = Self.fileNames.filter(exists)
        return names
    }

    /// A token that the model's own configuration gives by id (the first one of a list).
    private func modelToken(_ key: String, _ pipeline: Pipeline) throws -> SpecialToken? {
        for source in try [json("generation_config.json"), json("config.json")].compactMap(\.self) {
            guard let part = try source.optional(key) else { continue }
            guard let value = try part.value.array == nil ? part : part.items().first else { continue }
            let id = try value.id()
            guard id < pipeline.model.tokens.count else {
                throw value.error("is \(id), but the vocabulary ends at \(pipeline.model.tokens.count - 1)")
            }
            return SpecialToken(id: id, text: String(decoding: pipeline.model.tokens.bytes(id), as: UTF8.self))
        }
        return nil
    }

    private func chatTemplate(_ config: JSONPart?) throws -> (text: String, origin: String)? {
        let name = "chat_template.jinja"
        if exists(name) {
            let bytes: [UInt8]
            do { bytes = try SmallFile.bytes(file(name)) } catch let error as WeightFileError {
                throw TokenizerError(file: file(name), reason: error.reason)
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw TokenizerError(file: file(name), reason: "is not valid UTF-8")
            }
            return (text, file(name))
        }
        guard let part = try config?.optional("chat_template") else { return nil }
        if let text = part.value.string { return (text, "\(part.file), \(part.path)") }
        for item in try part.items() where try item.member("name").string() == "default" {
            let template = try item.member("template")
            return (try template.string(), "\(part.file), \(template.path)")
        }
        throw part.error("has no template named \"default\"")
    }
}
