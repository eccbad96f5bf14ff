import ChatTemplates
import Datasets
import Foundation
import JSONText
import Testing
import Tokenizers

/// The public interface, with tokenizers and templates as models have them.
@Suite struct ModelTokenizerTests {
    private let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private let folder: TemporaryFolder
    /// A SentencePiece tokenizer that puts `<s>` before a text.
    private let tokenizer: Tokenizer

    init() throws {
        folder = try TemporaryFolder()
        let file = tests.appending(path: "TokenizersTests/Fixtures/llama2/tokenizer.json")
        _ = try folder.file("tokenizer.json", Array(Data(contentsOf: file)))
        _ = try folder.file(
            "tokenizer_config.json", Array("{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}".utf8))
        tokenizer = try Tokenizer(folder: folder.path)
    }

    private func template(_ name: String) throws -> ChatTemplate {
        let file = tests.appending(path: "ChatTemplatesTests/Fixtures/templates/\(name).jinja")
        return try ChatTemplate(source: String(contentsOf: file, encoding: .utf8), name: name)
    }

    private func text(_ ids: some Sequence<Int32>) -> String {
        String(decoding: tokenizer.decode(Array(ids), skipSpecialTokens: false), as: UTF8.self)
    }

    /// The only example of a file with this row, and the number of its BOS and EOS tokens.
    private func example(_ row: String, _ template: ChatTemplate? = nil) throws -> (Example, bos: Int, eos: Int) {
        let path = try folder.file("row.jsonl", Array(row.utf8))
        let dataset = try SFTDataset(
            files: [path], options: DataOptions(), tokenizer: tokenizer, template: template)
        let example = try dataset.example(0)
        let trained = example.labels.dropFirst().filter { $0 != Example.ignored }.count
        let size = try dataset.measure(0..<1)[0]
        #expect(size.tokens == example.tokens.count && size.trained == trained && size.endsTurn)
        return (example, example.tokens.filter { $0 == 1 }.count, example.tokens.filter { $0 == 2 }.count)
    }

    @Test func textAndCompletions() throws {
        for row in ["{\"text\": \"a b\"}", "{\"text\": \"<s>a b\"}", "{\"text\": \"a b</s>\"}"] {
            let (example, bos, eos) = try example(row)
            #expect(bos == 1 && eos == 1, "\(row)")
            #expect(example.tokens.first == 1 && example.tokens.last == 2 && example.labels == example.tokens)
        }
        let (pair, bos, eos) = try example("{\"prompt\": \"one two\", \"completion\": \" three\"}")
        #expect(bos == 1 && eos == 1)
        #expect(text(pair.labels.filter { $0 != Example.ignored }).trimmingCharacters(in: .whitespaces) == "three</s>")
    }

    private let chat = """
        {"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}
        """

    /// Zephyr's template writes no BOS, so the tokenizer's is taken; Llama 2's writes it, so no second one comes.
    @Test(arguments: ["zephyr", "llama2"])
    func chatHasOneBOS(name: String) throws {
        let (example, bos, _) = try example(chat, template(name))
        #expect(bos == 1 && example.tokens.first == 1 && example.labels.first == Example.ignored)
        let trained = text(example.labels.filter { $0 != Example.ignored })
        #expect(trained.trimmingCharacters(in: .whitespaces).hasPrefix("two") && trained.hasSuffix("</s>"))
    }

    /// What is generated from is what was trained on, up to the first trained token.
    @Test(arguments: ["zephyr", "tinyllama", "smollm2", "llama2"])
    func promptsBeginLikeExamples(name: String) throws {
        let template = try template(name)
        let encoder = try PromptEncoder(tokenizer: tokenizer, template: template, options: DataOptions())
        #expect(encoder.stopTokens == [2])
        let user = JSON.object(JSONObject([("role", .string("user")), ("content", .string("one"))]))
        let prompt = try encoder.tokens(of: [user])
        let row = chat.replacingOccurrences(of: "two", with: name == "smollm2" ? "two</s>" : "two")
        let (example, _, _) = try example(row, template)
        #expect(example.tokens.starts(with: prompt))
        #expect(example.labels.prefix(prompt.count).allSatisfy { $0 == Example.ignored })
        let first = example.labels.firstIndex { $0 != Example.ignored }
        // Llama 2's template writes the space before the answer itself, and its prompt ends before it.
        #expect(name == "llama2" || first == prompt.count)
    }

    @Test func plainPromptsHaveNoEOS() throws {
        let encoder = try PromptEncoder(tokenizer: tokenizer, template: nil, options: DataOptions(endTokenIDs: [7]))
        #expect(encoder.stopTokens == [2, 7])
        let prompt = try encoder.tokens(of: "a b")
        #expect(prompt.first == 1 && !prompt.contains(2))
        #expect {
            try encoder.tokens(of: [])
        } throws: {
            "\($0)"
                == "a conversation needs a chat template, and the model has none; name one: data.chat_template: FILE"
        }
    }
}
