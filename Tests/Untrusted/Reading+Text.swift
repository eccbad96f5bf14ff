import ChatTemplates
import Datasets
import JSONText
import Synchronization
import Tokenizers

extension Reading {
    /// Texts that readers of tokenizers are tried with; the long ones make bad regular expressions and merges show.
    private static let texts: [[UInt8]] = [
        Array("Hello, world! It's 12345 o'clock\r\n\n  def f(x):\treturn x\u{0}".utf8),
        Array("nai\u{308}ve 한국어 ᄒ\u{1161}ᆫ ▁▁ é 👩‍👩‍👧 <s></s><|im_start|><unk>".utf8),
        Array(repeating: UInt8(ascii: "a"), count: 300), Array(repeating: UInt8(ascii: " "), count: 300) + [0x62],
        [],
    ]

    /// Encodes and decodes texts, and reads everything else that a tokenizer says.
    /// - Throws: what the tokenizer throws for the first text that it refuses.
    static func use(_ tokenizer: Tokenizer, on texts: [[UInt8]] = Reading.texts) throws {
        for text in texts {
            let encoding = try tokenizer.encode(text, addSpecialTokens: true)
            precondition(encoding.ids.count == encoding.ranges.count)
            for (id, range) in zip(encoding.ids, encoding.ranges) {
                precondition(id >= 0 && Int(id) < tokenizer.vocabularySize, "an id outside the vocabulary")
                precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "a token outside the text")
            }
            _ = tokenizer.decode(encoding.ids, skipSpecialTokens: false)
            _ = tokenizer.decode(encoding.ids + [-1, .max, .min], skipSpecialTokens: true)
        }
        for id in [-1, 0, Int32(tokenizer.vocabularySize), .max] { _ = tokenizer.text(of: id) }
        _ = tokenizer.specialTokens
    }

    /// The input is a `tokenizer.json`.
    static func tokenizer(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        try use(try Tokenizer(folder: folder.put(bytes, "tokenizer.json", in: "tokenizer")))
    }

    /// The input is the `tokenizer_config.json` and `special_tokens_map.json` of a tiny tokenizer, then its
    /// `generation_config.json` alone.
    static func specialTokens(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let fixture = "DatasetsTests/Fixtures/tokenizer/tokenizer.json"
        for name in ["named", "numbered"] { folder.place(fixture, as: "tokenizer.json", in: name) }
        let numbered = Result { try Tokenizer(folder: folder.put(bytes, "generation_config.json", in: "numbered")) }
        folder.put(bytes, "special_tokens_map.json", in: "named")
        let named = Result { try Tokenizer(folder: folder.put(bytes, "tokenizer_config.json", in: "named")) }
        if let source = try named.get().chatTemplateSource {
            _ = try ChatTemplate(source: source.text, name: source.origin)
        }
        _ = try numbered.get()
    }

    /// The first line of the input is the regular expression of a pre-tokenizer, the rest is a text.
    static func pattern(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let lines = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        let regex = JSON.string(String(decoding: lines[0], as: UTF8.self)).text()
        let json = """
            {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": \(regex)}, "behavior": "Isolated"},
             "decoder": {"type": "Fuse"},
             "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, " ": 2, "?": 3}, "merges": [], "unk_token": "?"}}
            """
        let tokenizer = try Tokenizer(folder: folder.put(Array(json.utf8), "tokenizer.json", in: "pattern"))
        let text = lines.count > 1 ? Array(lines[1]) : []
        try use(tokenizer, on: texts + [text])
    }

    private static let tokenizers: [Tokenizer] = ["llama2", "llama3", "qwen2", "gpt2", "metaspace", "split", "prefix"]
        .map { name in
            guard let tokenizer = try? Tokenizer(folder: "\(WorkFolder.tests)/TokenizersTests/Fixtures/\(name)") else {
                preconditionFailure("the tokenizer \(name) of the tests cannot be read")
            }
            return tokenizer
        }

    /// The input is a text for tokenizers of all kinds.
    static func text(_ bytes: [UInt8]) throws {
        for tokenizer in tokenizers { try use(tokenizer, on: [bytes]) }
    }

    // MARK: Templates and rows

    private static func parsed(_ name: String) -> JSON {
        guard let value = try? JSON(parsing: WorkFolder.fixture(name)) else {
            preconditionFailure("\(name) is not JSON")
        }
        return value
    }

    private static let conversations: [[JSON]] =
        parsed("ChatTemplatesTests/Fixtures/conversations.json").object?.members.compactMap(\.value.array) ?? []
    private static let tools = parsed("ChatTemplatesTests/Fixtures/rendered.json")["tools"]
    private static let date = TemplateDate(year: 2024, month: 7, day: 26)

    /// The input is a chat template; it renders the conversations of the tests.
    static func template(_ bytes: [UInt8]) throws {
        let template = try ChatTemplate(source: String(decoding: bytes, as: UTF8.self), name: "template")
        // Conversations of every shape take too long together: three of them, of which the template's length decides.
        for number in 0..<3 {
            let messages = conversations[(bytes.count + number) % conversations.count]
            let rendered = try template.render(
                messages: messages, addGenerationPrompt: number == 1, bosToken: "<s>", eosToken: "</s>",
                tools: number == 2 ? tools : nil, date: date)
            var end = 0
            for span in rendered.assistantSpans {
                precondition(span.range.lowerBound >= end && span.range.upperBound <= rendered.text.count)
                precondition(messages.indices.contains(span.message))
                end = span.range.upperBound
            }
            precondition(String(validating: rendered.text, as: UTF8.self) != nil, "the output is not UTF-8")
        }
    }

    private static let templates: [ChatTemplate] = ["smollm2", "llama3_1", "mistral_v3", "qwen3", "gemma"].map { name in
        let source = String(
            decoding: WorkFolder.fixture("ChatTemplatesTests/Fixtures/templates/\(name).jinja"), as: UTF8.self)
        guard let template = try? ChatTemplate(source: source, name: name) else {
            preconditionFailure("the template \(name) of the tests cannot be read")
        }
        return template
    }

    /// The input is a JSONL file; all its rows become examples, by a template that its length decides.
    static func rows(_ bytes: [UInt8], _ folder: WorkFolder) throws {
        let path = folder.put(bytes, "rows.jsonl", in: "rows") + "/rows.jsonl"
        let options = DataOptions(templateDate: date)
        let dataset = try SFTDataset(
            files: [path], options: options, tokenizer: rowTokenizer, template: templates[bytes.count % templates.count]
        )
        var failure: (any Error)?
        for row in 0..<dataset.count {
            do {
                let example = try dataset.example(row)
                precondition(example.tokens.count == example.labels.count && example.tokens.count <= options.maxLength)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private static let rowTokenizer: Tokenizer = {
        guard let tokenizer = try? Tokenizer(folder: "\(WorkFolder.tests)/DatasetsTests/Fixtures/tokenizer") else {
            preconditionFailure("the tokenizer of the tests cannot be read")
        }
        return tokenizer
    }()
}
