import JSONText
import Testing

@testable import Datasets

@Suite struct FormTests {
    @Test func messages() throws {
        let trial = try Trial(
            """
            {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}, \
            {"role": "user", "content": "3+3?"}, {"role": "assistant", "content": "6"}]}
            """)
        #expect(try trial.rows() == ["[user]2+2?\n[assistant]⟦4</s>⟧\n[user]3+3?\n[assistant]⟦6</s>⟧\n"])
        #expect(trial.dataset.files[0].kind == .messages && trial.dataset.files[0].trainOn == .assistant)
    }

    @Test func conversationsWithTheirOwnRoleNames() throws {
        let trial = try Trial(
            """
            {"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
            {"conversations": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "B"}]}
            """)
        #expect(
            try trial.rows() == ["[system]S\n[user]Q\n[assistant]⟦A</s>⟧\n", "[user]Q\n[assistant]⟦B</s>⟧\n"])
        #expect(trial.dataset.files[0].kind == .conversations)
    }

    @Test func promptAndCompletionAsStrings() throws {
        let trial = try Trial(
            """
            {"prompt": "Sky is ", "completion": "blue"}
            {"prompt": "Grass is ", "completion": "green</s>"}
            """)
        #expect(try trial.rows() == ["Sky is ⟦blue</s>⟧", "Grass is ⟦green</s>⟧"])
        #expect(trial.dataset.files[0].kind == .promptCompletion && trial.dataset.files[0].trainOn == .completion)
    }

    @Test func promptAndCompletionAsMessages() throws {
        let row = """
            {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
            {"role": "user", "content": "c"}], "completion": [{"role": "assistant", "content": "d"}]}
            """
        #expect(try Trial(row).rows() == ["[user]a\n[assistant]b</s>\n[user]c\n[assistant]⟦d</s>⟧\n"])
        #expect(
            try Trial(row, options: DataOptions(trainOn: .assistant)).rows()
                == ["[user]a\n[assistant]⟦b</s>⟧\n[user]c\n[assistant]⟦d</s>⟧\n"])
        #expect(try Trial(row).dataset.files[0].kind == .promptCompletionMessages)
    }

    @Test func instructionWithAndWithoutInput() throws {
        let trial = try Trial(
            """
            {"instruction": "Add", "input": "1 2", "output": "3"}
            {"instruction": "Hi", "input": "", "output": "Ho"}
            {"instruction": "Hi", "input": null, "output": "Hu", "text": "made of them"}
            {"instruction": "Hi", "output": "Hm"}
            """)
        #expect(
            try trial.rows() == [
                "[user]Add\n1 2\n[assistant]⟦3</s>⟧\n", "[user]Hi\n[assistant]⟦Ho</s>⟧\n",
                "[user]Hi\n[assistant]⟦Hu</s>⟧\n", "[user]Hi\n[assistant]⟦Hm</s>⟧\n",
            ])
        #expect(trial.dataset.files[0].kind == .instruction)
    }

    @Test func textEndsWithEOSOnce() throws {
        let trial = try Trial("{\"text\": \"one\"}\n{\"text\": \"two</s>\"}\n{\"text\": \"\"}")
        #expect(try trial.rows() == ["⟦one</s>⟧", "⟦two</s>⟧", "⟦</s>⟧"])
        #expect(trial.dataset.files[0].kind == .text && trial.dataset.files[0].trainOn == .all)
    }

    @Test func mappedColumns() throws {
        let options = DataOptions(columns: [.prompt: "question", .completion: "answer"])
        #expect(try Trial("{\"question\": \"a\", \"answer\": \"b\"}", options: options).rows() == ["a⟦b</s>⟧"])
        #expect(
            try Trial(
                "{\"chat\": [{\"role\": \"gpt\", \"content\": \"b\"}]}",
                options: DataOptions(columns: [.messages: "chat"])
            )
            .rows() == ["[assistant]⟦b</s>⟧\n"])
    }

    @Test func theRichestFormWins() throws {
        let trial = try Trial(
            "{\"prompt\": \"Q\", \"prompt_id\": \"7\", \"messages\": [{\"role\": \"assistant\", \"content\": \"A\"}], \"text\": \"t\"}"
        )
        #expect(trial.dataset.files[0].kind == .messages)
    }

    @Test func severalFilesOfDifferentForms() throws {
        let folder = try TemporaryFolder()
        let first = try folder.file("a.jsonl", Array("{\"text\": \"one\"}\n\n{\"text\": \"two\"}\n".utf8))
        let second = try folder.file("b.jsonl", Array("\n{\"prompt\": \"p\", \"completion\": \"c\"}".utf8))
        let encoder = ByteEncoder()
        let dataset = try SFTDataset(
            files: [first, second],
            builder: ExampleBuilder(encoder: encoder, renderer: nil, options: DataOptions()))
        #expect(dataset.count == 3)
        #expect(dataset.files.map(\.kind) == [.text, .promptCompletion])
        #expect(dataset.files.map(\.rows) == [2, 1])
        #expect(encoder.marked(try dataset.example(2)) == "p⟦c</s>⟧")
        #expect(dataset.origin(1) == (first, 3))
        #expect(dataset.origin(2) == (second, 2))
        #expect(try dataset.measure(1..<3).map(\.tokens) == [4, 3])
    }

    @Test func otherMembersOfAMessageReachTheTemplate() throws {
        let value = try JSON(
            parsing: """
                [{"from": "gpt", "value": null, "tool_calls": [{"name": "f"}], "weight": 0},
                 {"role": "tool", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "f"}]
                """)
        let messages = try Conversation.messages(value, column: "messages")
        #expect(
            JSON.array(messages).text() == """
                [{"role": "assistant", "content": null, "tool_calls": [{"name": "f"}], "weight": 0}, \
                {"role": "tool", "content": "ab", "name": "f"}]
                """)
    }

    @Test func toolsReachTheTemplateAsAListOrItsText() throws {
        let turn = "\"messages\": [{\"role\": \"assistant\", \"content\": \"A\"}]"
        #expect(try Trial("{\(turn), \"tools\": [1]}").rows() == ["tools [1]\n[assistant]⟦A</s>⟧\n"])
        #expect(try Trial("{\(turn), \"tools\": \"[1]\"}").rows() == ["tools [1]\n[assistant]⟦A</s>⟧\n"])
        #expect(try Trial("{\(turn), \"tools\": null}").rows() == ["[assistant]⟦A</s>⟧\n"])
    }

    @Test func blankLinesCRLFAndByteOrderMark() throws {
        let trial = try Trial("\u{FEFF}\r\n{\"text\": \"a\"}\r\n \t\r\n\r\n  {\"text\": \"b\"}\r\n\r\n")
        #expect(try trial.rows() == ["⟦a</s>⟧", "⟦b</s>⟧"])
        #expect(trial.dataset.origin(0).line == 2 && trial.dataset.origin(1).line == 5)
    }
}
