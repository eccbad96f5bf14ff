import ChatTemplates
import Foundation
import JSONText
import Testing

@testable import Datasets

/// The toy tokenizer with a real template.
struct TemplateRenderer: ConversationRenderer {
    let template: ChatTemplate
    var bosToken = "<s>"
    var eosToken = "</s>"

    func render(_ messages: [JSON], tools: JSON?, addGenerationPrompt: Bool) throws -> RenderedConversation {
        try template.conversation(
            messages, tools: tools, addGenerationPrompt: addGenerationPrompt, bosToken: bosToken, eosToken: eosToken,
            date: nil)
    }
}

/// Labels of stock templates, which have no `{% generation %}` blocks, against files marked by hand: what is trained
/// stands in ⟦ ⟧.
@Suite struct MarkedTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()

    private func template(_ name: String) throws -> ChatTemplate {
        let file = Self.folder.deletingLastPathComponent()
            .appending(path: "ChatTemplatesTests/Fixtures/templates/\(name).jinja")
        return try ChatTemplate(source: String(contentsOf: file, encoding: .utf8), name: name)
    }

    private func turns(_ turns: (role: String, content: String)...) -> [JSON] {
        turns.map { Conversation.message(role: $0.role, content: $0.content) }
    }

    private func marked(
        _ name: String, _ messages: [JSON], eos: String = "</s>", bos: String = "<s>", trainOn: TrainOn = .assistant
    ) throws -> String {
        let encoder = ByteEncoder(
            specials: ["<s>", "</s>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<｜end▁of▁sentence｜>"], addsBOS: true,
            eosText: eos)
        let builder = ExampleBuilder(
            encoder: encoder,
            renderer: TemplateRenderer(template: try template(name), bosToken: bos, eosToken: eos),
            options: DataOptions())
        let example = try builder.example(.chat(messages: messages, completionStart: 0, tools: nil), trainOn: trainOn)
        return encoder.marked(example)
    }

    @Test(arguments: [
        ("llama2", true, "</s>"), ("mistral_v1", false, "</s>"), ("mistral_v3", false, "</s>"),
        ("zephyr", true, "</s>"), ("tinyllama", true, "</s>"), ("smollm2", true, "<|im_end|>"),
        ("llama3_1", true, "<|eot_id|>"), ("deepseek_r1", true, "<｜end▁of▁sentence｜>"),
    ])
    func stockTemplate(name: String, takesSystem: Bool, eos: String) throws {
        let file = Self.folder.appending(path: "Fixtures/marked/\(name).txt")
        let expected = try String(contentsOf: file, encoding: .utf8)
        var messages = turns(
            ("user", "Hi there"), ("assistant", "Hello."), ("user", "And now?"), ("assistant", "Good\nbye."))
        if takesSystem { messages.insert(Conversation.message(role: "system", content: "Be brief."), at: 0) }
        // Llama 3.1 and the ChatML of SmolLM2 have no <s>: there the toy's BOS is taken off again.
        let bos = name == "llama3_1" ? "<|begin_of_text|>" : "<s>"
        var found = try marked(name, messages, eos: eos, bos: bos)
        if !expected.hasPrefix("<s>") { found = String(found.dropFirst("<s>".count)) }
        #expect(found == expected)
        // The last turn alone.
        var last = try marked(name, messages, eos: eos, bos: bos, trainOn: .lastAssistant)
        if !expected.hasPrefix("<s>") { last = String(last.dropFirst("<s>".count)) }
        let pieces = expected.components(separatedBy: "⟦")
        #expect(pieces.count == 3)
        #expect(last == (pieces[0] + pieces[1]).replacingOccurrences(of: "⟧", with: "") + "⟦" + pieces[2])
    }

    /// Earlier turns lose their reasoning in the text, so it is not trained; the template decides.
    @Test func rewrittenTurns() throws {
        let messages = turns(
            ("user", "One?"), ("assistant", "<think>\nhm\n</think>\n\n1"), ("user", "Two?"),
            ("assistant", "<think>\nso\n</think>\n\n2"))
        #expect(
            try marked("qwen3", messages, eos: "<|im_end|>")
                == "<s><|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n⟦1<|im_end|>⟧\n"
                + "<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n⟦<think>\nso\n</think>\n\n2<|im_end|>⟧\n")
        #expect(
            try marked("deepseek_r1", messages, eos: "<｜end▁of▁sentence｜>")
                == "<s><｜User｜>One?<｜Assistant｜>⟦\n\n1<｜end▁of▁sentence｜>⟧"
                + "<｜User｜>Two?<｜Assistant｜>⟦\n\n2<｜end▁of▁sentence｜>⟧")
    }

    /// A turn that this template ends with nothing does not reach for the stop token of the tool's turn.
    @Test func toolCalls() throws {
        let call = try JSON(
            parsing: """
                {"role": "assistant", "content": null, "tool_calls": [{"type": "function",
                 "function": {"name": "f", "arguments": "{}"}}]}
                """)
        let messages =
            turns(("user", "Hi")) + [call] + turns(("tool", "21"), ("assistant", "It is 21."), ("user", "Thanks"))
        #expect(
            try marked("deepseek_r1", messages, eos: "<｜end▁of▁sentence｜>") == """
                <s><｜User｜>Hi<｜Assistant｜>⟦<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f
                ```json
                {}⟧
                ```<｜tool▁call▁end｜><｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>21<｜tool▁output▁end｜>\
                <｜tool▁outputs▁end｜>⟦It is 21.<｜end▁of▁sentence｜>⟧<｜User｜>Thanks
                """)
    }

    /// The same text said by both: only the assistant's is trained.
    @Test func sameTextInBothRoles() throws {
        #expect(
            try marked("zephyr", turns(("user", "x"), ("assistant", "x"), ("user", "x")))
                == "<s><|user|>\nx</s>\n<|assistant|>\n⟦x</s>⟧\n<|user|>\nx</s>\n")
    }
}
