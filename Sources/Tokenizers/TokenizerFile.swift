import JSONText
import WeightFiles

/// A `tokenizer.json`.   (Format: https://github.com/huggingface/tokenizers)
struct TokenizerFile {
    private let root: JSONPart

    init(path: String) throws { root = try Self.read(path) }

    /// Reads a JSON file.
    static func read(_ path: String) throws -> JSONPart {
        do {
            let part = JSONPart(file: path, path: "", value: try JSON(parsing: try SmallFile.bytes(path)))
            _ = try part.object()
            return part
        } catch let error as JSONError {
            throw TokenizerError(file: path, reason: "\(error)")
        } catch let error as WeightFileError {
            throw TokenizerError(file: path, reason: error.reason)
        }
    }

    func pipeline() throws -> Pipeline {
        let steps = try preTokenizers()
        let modelPart = try root.member("model")
        let model = try ModelReader(part: modelPart).model(isByteLevel: steps.isByteLevel)
        return try finish(model, steps.steps)
    }

    private func finish(_ model: BPEModel, _ preTokenizers: [PreTokenizer]) throws -> Pipeline {
        var model = model
        let added = try addedTokens(&model.tokens)
        let (prefix, suffix) = try postProcessor(model.tokens)
        let normalizers = try normalizers()
        let decoders = try decoders()
        try checkGrowth(normalizers.map(\.growth) + preTokenizers.map(\.growth), "normalizer and pre_tokenizer")
        try checkGrowth(decoders.map(\.growth), "decoder")
        do {
            return try Pipeline(
                model: model, added: added, normalizers: normalizers, preTokenizers: preTokenizers,
                decoders: decoders, prefix: prefix, suffix: suffix)
        } catch {
            throw root.error("added_tokens cannot be normalized: \(error.reason)")
        }
    }

    /// Steps that each make a text longer multiply: forty that double it would fill any memory.
    private func checkGrowth(_ factors: [Int], _ name: String) throws {
        var whole = 1
        for factor in factors {
            let (product, overflow) = whole.multipliedReportingOverflow(by: max(1, factor))
            guard !overflow, product <= 1024 else {
                throw root.error("\(name) may make a text more than 1024 times as long, which is not read")
            }
            whole = product
        }
    }

    // MARK: Added tokens

    private func addedTokens(_ tokens: inout TokenTable) throws -> [AddedToken] {
        guard let list = try root.optional("added_tokens") else { return [] }
        let parts = try list.items().map { (id: try $0.member("id").id(), part: $0) }
        return try parts.sorted { $0.id < $1.id }.map { id, part in
            let content = try part.member("content").bytes()
            guard !content.isEmpty else { throw part.error("has no content") }
            guard content.count <= AddedToken.longest else {
                throw part.error(
                    "has a content of \(content.count) bytes, at most \(AddedToken.longest) are read")
            }
            try place(content, id, part, &tokens)
            return AddedToken(
                id: id, content: content, isSpecial: try part.flag("special", default: false),
                stripsLeft: try part.flag("lstrip", default: false),
                stripsRight: try part.flag("rstrip", default: false),
                isSingleWord: try part.flag("single_word", default: false),
                isNormalized: try part.flag("normalized", default: true))
        }
    }

    /// Puts an added token into the vocabulary, or checks that it is there under its id.
    private func place(_ content: [UInt8], _ id: Int32, _ part: JSONPart, _ tokens: inout TokenTable) throws {
        let name = String(decoding: content, as: UTF8.self)
        let expected = Int32(tokens.count)
        if let known = tokens.append(content) {
            guard known == id else { throw part.error("gives \"\(name)\" the id \(id), which has the id \(known)") }
        } else if id < expected {
            let other = String(decoding: tokens.bytes(id), as: UTF8.self)
            throw part.error("gives \"\(name)\" the id \(id), which is that of \"\(other)\"")
        } else if id > expected {
            throw part.error("gives \"\(name)\" the id \(id), but no token has the id \(expected)")
        }
    }

    // MARK: Steps

    private func normalizers() throws -> [Normalizer] {
        try JSONPart.steps(root.optional("normalizer"), sequenceKey: "normalizers").map { type, part in
            switch type {
            case "NFC": return .nfc
            case "Prepend": return .prepend(try part.member("prepend").bytes())
            case "Replace":
                return .replace(try matcher(part.member("pattern")), with: try part.member("content").bytes())
            default: throw part.error("is a normalizer of type \(type); NFC, Prepend and Replace are supported")
            }
        }
    }

    private func matcher(_ part: JSONPart) throws -> Matcher {
        if let text = try part.optional("String")?.bytes(), !text.isEmpty { return .literal(text) }
        guard let regex = try part.optional("Regex") else {
            throw part.error("has neither a String that is not empty nor a Regex")
        }
        do throws(PatternError) {
            return .pattern(try Pattern(try regexSource(regex)))
        } catch {
            throw regex.error("cannot be used: \(error.reason)")
        }
    }

    private func regexSource(_ part: JSONPart) throws(PatternError) -> String {
        guard let source = part.value.string else { throw PatternError(reason: "it is \(part.value.kind)") }
        return source
    }

    private func preTokenizers() throws -> (steps: [PreTokenizer], isByteLevel: Bool) {
        var steps: [PreTokenizer] = []
        var isByteLevel = false
        for (type, part) in try JSONPart.steps(root.optional("pre_tokenizer"), sequenceKey: "pretokenizers") {
            guard !isByteLevel else { throw part.error("follows ByteLevel, which is supported as the last step only") }
            switch type {
            case "ByteLevel":
                isByteLevel = true
                if try part.flag("add_prefix_space", default: true) { steps.append(.prefixSpace) }
                if try part.flag("use_regex", default: true) { steps.append(.words(WordSplitter(.gpt2))) }
            case "Digits":
                let individual = try part.flag("individual_digits", default: false)
                steps.append(.split(.scalars(.digits), individual ? .isolated : .contiguous, inverted: false))
            case "Split": steps.append(try split(part))
            case "Metaspace": steps.append(try metaspace(part))
            default:
                throw part.error(
                    "is a pre-tokenizer of type \(type); ByteLevel, Digits, Split and Metaspace are supported")
            }
        }
        return (steps, isByteLevel)
    }

    private func split(_ part: JSONPart) throws -> PreTokenizer {
        let name = try part.member("behavior").string()
        guard let behavior = PreTokenizer.Behavior(rawValue: name) else {
            throw part.error("has the behavior \(name), which is unknown")
        }
        let inverted = try part.flag("invert", default: false)
        let matcher = try matcher(part.member("pattern"))
        if case .pattern(let pattern) = matcher, behavior == .isolated || (behavior == .removed && inverted),
            let words = WordSplitter(source: pattern.source)
        {
            return .words(words)
        }
        return .split(matcher, behavior, inverted: inverted)
    }

    private func metaspace(_ part: JSONPart) throws -> PreTokenizer {
        .metaspace(
            replacement: try metaspaceReplacement(part), try prependScheme(part),
            splits: try part.flag("split", default: true))
    }

    private func metaspaceReplacement(_ part: JSONPart) throws -> [UInt8] {
        let replacement = try part.member("replacement").bytes()
        guard !replacement.isEmpty else { throw part.error("has an empty replacement") }
        return replacement
    }

    private func prependScheme(_ part: JSONPart) throws -> PreTokenizer.PrependScheme {
        guard let name = try part.optional("prepend_scheme")?.string() else {
            return try part.flag("add_prefix_space", default: true) ? .always : .never
        }
        guard let scheme = PreTokenizer.PrependScheme(rawValue: name) else {
            throw part.error("has the prepend_scheme \(name); always, first and never are known")
        }
        return scheme
    }

    private func decoders() throws -> [Decoder] {
        let parts = try JSONPart.steps(root.optional("decoder"), sequenceKey: "decoders")
        guard !parts.isEmpty else { throw root.error("decoder is missing") }
        return try parts.map { type, part in
            switch type {
            case "ByteLevel" where parts.count == 1: return .byteLevel
            case "ByteFallback": return .byteFallback
            case "Fuse": return .fuse
            case "Replace":
                guard case .literal(let text) = try matcher(part.member("pattern")) else {
                    throw part.error("has a Regex, a String was expected")
                }
                return .replace(text, with: try part.member("content").bytes())
            case "Strip":
                let content = try part.member("content").bytes()
                guard !content.isEmpty else { throw part.error("has an empty content") }
                return .strip(
                    content: content, start: Int(try part.member("start").id()),
                    stop: Int(try part.member("stop").id()))
            case "Metaspace":
                return .metaspace(
                    replacement: try metaspaceReplacement(part), dropsFirst: try prependScheme(part) != .never)
            default:
                throw part.error(
                    "is a decoder of type \(type); ByteLevel (by itself), ByteFallback, Fuse, Replace, Strip and "
                        + "Metaspace are supported")
            }
        }
    }

    // MARK: Special tokens around a text

    private func postProcessor(_ tokens: TokenTable) throws -> (prefix: [Int32], suffix: [Int32]) {
        var result: (prefix: [Int32], suffix: [Int32]) = ([], [])
        for (type, part) in try JSONPart.steps(root.optional("post_processor"), sequenceKey: "processors") {
            switch type {
            case "ByteLevel": continue
            case "TemplateProcessing":
                let around = try template(part, tokens)
                result = (around.prefix + result.prefix, result.suffix + around.suffix)
                guard result.prefix.count + result.suffix.count <= 1000 else {
                    throw part.error("puts more than 1000 tokens around a text")
                }
            default:
                throw part.error(
                    "is a post-processor of type \(type); TemplateProcessing and ByteLevel are supported")
            }
        }
        return result
    }

    private func template(_ part: JSONPart, _ tokens: TokenTable) throws -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32]?
        for item in try part.member("single").items() {
            if let special = try item.optional("SpecialToken") {
                let name = try special.member("id").string()
                let ids = try part.member("special_tokens").member(name).member("ids").items().map { try $0.id() }
                if let wrong = ids.first(where: { $0 >= tokens.count }) {
                    throw part.error("puts the token \(wrong), but the vocabulary ends at \(tokens.count - 1)")
                }
                if suffix == nil { prefix += ids } else { suffix! += ids }
                guard prefix.count + (suffix?.count ?? 0) <= 1000 else {
                    throw part.error("puts more than 1000 tokens around a text")
                }
            } else if try item.optional("Sequence") != nil, suffix == nil {
                suffix = []
            } else {
                throw item.error("is neither a SpecialToken nor the only Sequence")
            }
        }
        guard let suffix else { throw part.error("has no Sequence in \"single\"") }
        return (prefix, suffix)
    }
}
