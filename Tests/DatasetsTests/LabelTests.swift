import Testing

@testable import Datasets

private let chat = """
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
    {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}
    """

@Suite struct LabelTests {
    @Test func trainOn() throws {
        func rows(_ trainOn: TrainOn) throws -> [String] {
            try Trial(chat, options: DataOptions(trainOn: trainOn)).rows()
        }
        #expect(try rows(.assistant) == ["[user]a\n[assistant]⟦b</s>⟧\n[user]c\n[assistant]⟦d</s>⟧\n"])
        #expect(try rows(.lastAssistant) == ["[user]a\n[assistant]b</s>\n[user]c\n[assistant]⟦d</s>⟧\n"])
        #expect(try rows(.all) == ["⟦[user]a\n[assistant]b</s>\n[user]c\n[assistant]d</s>\n⟧"])
        let instruction = "{\"instruction\": \"a\", \"output\": \"b\"}"
        #expect(
            try Trial(instruction, options: DataOptions(trainOn: .completion)).rows() == [
                "[user]a\n[assistant]⟦b</s>⟧\n"
            ])
        let pair = "{\"prompt\": \"a\", \"completion\": \"b\"}"
        for trainOn in [TrainOn.assistant, .lastAssistant, .completion] {
            #expect(try Trial(pair, options: DataOptions(trainOn: trainOn)).rows() == ["a⟦b</s>⟧"])
        }
        #expect(try Trial(pair, options: DataOptions(trainOn: .all)).rows() == ["⟦ab</s>⟧"])
    }

    /// What the template writes between the content and the stop token has to be generated too.
    @Test func spanReachesTheStopTokenAndNoFurther() throws {
        let renderer = PlainRenderer(ending: { $0 == "assistant" ? " .</s> </s>\n" : "</s>\n" })
        #expect(
            try Trial(chat, renderer: renderer).rows() == [
                "[user]a</s>\n[assistant]⟦b .</s>⟧ </s>\n[user]c</s>\n[assistant]⟦d .</s>⟧ </s>\n"
            ])
    }

    /// A stop token behind the next message's content ends that message, not the assistant's.
    @Test func stopTokenOfTheNextMessageIsNotTaken() throws {
        let renderer = PlainRenderer(ending: { $0 == "user" ? "</s>" : "\n" })
        #expect(
            try Trial(chat, renderer: renderer).rows() == ["[user]a</s>[assistant]⟦b⟧\n[user]c</s>[assistant]⟦d⟧\n"])
    }

    @Test func anyKnownStopTokenWillDo() throws {
        let renderer = PlainRenderer(ending: { _ in "<|im_end|></s>" })
        #expect(
            try Trial("{\"instruction\": \"a\", \"output\": \"b\"}", renderer: renderer).rows()
                == ["[user]a<|im_end|></s>[assistant]⟦b<|im_end|>⟧</s>"])
        let named = PlainRenderer(ending: { _ in "<stop></s>" })
        let encoder = ByteEncoder(specials: ["<s>", "</s>", "<stop>"])
        let row = "{\"instruction\": \"a\", \"output\": \"b\"}"
        #expect(
            try Trial(row, encoder: encoder, renderer: named).rows() == ["[user]a<stop></s>[assistant]⟦b<stop></s>⟧"])
        #expect(
            try Trial(row, options: DataOptions(endTokenIDs: [258]), encoder: encoder, renderer: named).rows()
                == ["[user]a<stop></s>[assistant]⟦b<stop>⟧</s>"])
    }

    @Test func emptyAnswerTrainsItsEnd() throws {
        #expect(
            try Trial("{\"instruction\": \"a\", \"output\": \"\"}").rows() == ["[user]a\n[assistant]⟦</s>⟧\n"])
    }

    /// A `{% generation %}` block is taken as it stands if it holds a stop token, and reaches for one if not.
    @Test func generationBlocks() throws {
        let row = "{\"instruction\": \"a\", \"output\": \"b\"}"
        #expect(
            try Trial(row, renderer: PlainRenderer(marksBlocks: true)).rows() == ["[user]a\n[assistant]⟦b</s>\n⟧"])
        // A stop token that the template writes after a block that has one is not the assistant's.
        let ended = PlainRenderer(ending: { $0 == "assistant" ? "</s>" : "" }, trailer: "</s>", marksBlocks: true)
        #expect(try Trial(row, renderer: ended).rows() == ["[user]a[assistant]⟦b</s>⟧</s>"])
        let unended = PlainRenderer(ending: { _ in "" }, trailer: " </s></s>", marksBlocks: true)
        #expect(try Trial(row, renderer: unended).rows() == ["[user]a[assistant]⟦b </s>⟧</s>"])
        var short = PlainRenderer(ending: { _ in "" }, marksBlocks: true)
        short.header = { $0 == "assistant" ? "[assistant]" : "[user]" }
        #expect(try Trial(row, renderer: short).rows() == ["[user]a[assistant]⟦b⟧"])
    }

    @Test func beginningOfSequenceIsAddedOnceAsTheTokenizerDoes() throws {
        let adds = ByteEncoder(addsBOS: true)
        let writes = PlainRenderer(prefix: "<s>")
        let row = "{\"instruction\": \"a\", \"output\": \"b\"}"
        #expect(try Trial(row, encoder: adds).rows() == ["<s>[user]a\n[assistant]⟦b</s>⟧\n"])
        #expect(try Trial(row, encoder: adds, renderer: writes).rows() == ["<s>[user]a\n[assistant]⟦b</s>⟧\n"])
        #expect(try Trial(row, renderer: writes).rows() == ["<s>[user]a\n[assistant]⟦b</s>⟧\n"])
        #expect(try Trial(row).rows() == ["[user]a\n[assistant]⟦b</s>⟧\n"])
        #expect(try Trial("{\"text\": \"a\"}", encoder: adds).rows() == ["⟦<s>a</s>⟧"])
        #expect(try Trial("{\"text\": \"<s>a\"}", encoder: adds).rows() == ["⟦<s>a</s>⟧"])
        #expect(try Trial("{\"prompt\": \"a\", \"completion\": \"b\"}", encoder: adds).rows() == ["<s>a⟦b</s>⟧"])
    }

    /// One token over both sides of the border: it is trained, as some of its bytes are.
    @Test func tokenAcrossTheBorderIsTrained() throws {
        let encoder = ByteEncoder(specials: ["<s>", "</s>", "ab"])
        #expect(
            try Trial("{\"prompt\": \"xa\", \"completion\": \"by\"}", encoder: encoder).rows() == ["x⟦aby</s>⟧"])
    }

    @Test func spansOfOneMessageJoinUnlessAnotherLiesBetween() {
        func turns(_ assistant: [(Int, Range<Int>)], _ others: [(Int, Range<Int>)]) -> [AssistantTurns.Turn] {
            AssistantTurns(
                RenderedConversation(
                    text: [UInt8](repeating: 0, count: 100),
                    assistant: assistant.map { MessageSpan(message: $0.0, range: $0.1) },
                    others: others.map { MessageSpan(message: $0.0, range: $0.1) }, usesGenerationBlocks: false)
            ).turns
        }
        #expect(
            turns([(1, 10..<20), (1, 25..<30), (3, 60..<70)], [(0, 0..<5), (2, 40..<50)])
                == [.init(message: 1, range: 10..<30, bound: 40), .init(message: 3, range: 60..<70, bound: 100)])
        #expect(
            turns([(1, 10..<20), (1, 50..<60)], [(2, 30..<40)])
                == [.init(message: 1, range: 10..<20, bound: 30), .init(message: 1, range: 50..<60, bound: 100)])
        #expect(
            turns([(1, 10..<20), (2, 30..<40)], [])
                == [.init(message: 1, range: 10..<20, bound: 30), .init(message: 2, range: 30..<40, bound: 100)])
    }
}
