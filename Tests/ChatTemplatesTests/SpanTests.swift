import ChatTemplates
import JSONText
import Testing

/// Which bytes are the assistant's, marked by hand.
@Suite struct SpanTests {
    /// A template, a conversation of the fixtures, and the text of each span with its message.
    struct Marked: Sendable, CustomTestStringConvertible {
        let template: String
        let conversation: String
        let said: [String]
        var testDescription: String { "\(template), \(conversation)" }
        init(_ template: String, _ conversation: String, _ said: String...) {
            self.template = template
            self.conversation = conversation
            self.said = said
        }
    }

    @Test(arguments: [
        // The contents alone, stripped where the template strips them.
        Marked("llama2", "edges", "1: answer", "3: "),
        Marked("chatml", "edges", "1: \n answer \n\n", "3: \t"),
        Marked("zephyr", "edges", "1: \n answer \n\n", "3: \t"),
        Marked("gemma", "edges", "1: answer", "3: "),
        Marked("smollm2", "empty", "2: "),
        Marked("chatml", "no messages"),
        Marked("chatml", "question"),
        Marked("chatml", "starts with assistant", "0: I begin."),
        Marked("mistral_v1", "same words", "1: yes", "3: yes"),
        // Reasoning that the content carries.
        Marked(
            "chatml", "thinking", "1: <think>\nfirst thought\n</think>\n\nfirst answer",
            "3: <think>\nsecond thought\n</think>\n\nsecond answer"),
        // Rewritten: earlier reasoning is gone, the last is put back between the template's own tags.
        Marked("qwen3", "thinking", "1: first answer", "3: <think>\nsecond thought\n</think>\n\nsecond answer"),
        Marked("qwen3", "reasoning", "1: a1", "3: <think>\nbecause\n</think>\n\na2"),
        Marked("qwen3", "thought under another name", "1: <think>\nhm\n</think>\n\na"),
        Marked("deepseek_r1", "thinking", "1: \n\nfirst answer", "3: \n\nsecond answer"),
        // Calls, from the end of the prompt on.
        Marked(
            "qwen2_5", "call",
            "1: <tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": 2, \"exact\": true}",
            "3: 7.5 degrees."),
        Marked(
            "qwen2_5", "call with text",
            "2: Let me see.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": [1, 2.5, -3e-07], \"b\": {\"c\": null}}",
            "4: It is -0.5."),
        Marked(
            "qwen2_5", "two calls",
            "1: <tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n"
                + "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"x\": \"<&>\\\"\\n\"}",
            "4: 1 and 2"),
        Marked(
            "llama3_1", "call",
            "1: {\"name\": \"weather\", \"parameters\": {\"city\": \"Köln\", \"days\": 2, \"exact\": true}",
            "3: 7.5 degrees."),
        Marked(
            "mistral_v3", "call",
            "1: [TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": 2, \"exact\": true}, "
                + "\"id\": \"call00001",
            "3: 7.5 degrees."),
        Marked(
            "deepseek_r1", "call as text",
            "1: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>run\n```json\n{\"fast\": true}"),
    ])
    func areWhatTheAssistantSays(marked: Marked) throws {
        let messages = try #require(Fixtures.json("conversations.json")[marked.conversation]?.array)
        let rendered = try Fixtures.template(marked.template).render(
            messages: messages, addGenerationPrompt: false, bosToken: "<s>", eosToken: "</s>", date: Fixtures.date)
        #expect(rendered.said == marked.said, "\(rendered.string)")
    }

    /// One assistant message "ABC DEF" through an expression: what of the output counts as said.
    @Test(
        arguments: [
            ("{{ c }}", "ABC DEF"), ("{{ c ~ '!' }}", "ABC DEF"), ("{{ '<' + c + '>' }}", "ABC DEF"),
            ("{{ '%s|%d' % (c, 5) }}", "ABC DEF"), ("{{ '[{}]'.format(c) }}", "ABC DEF"), ("{{ c[4:] }}.", "DEF"),
            ("{{ c[-1] }}.", "F"), ("{{ c[::-1] }}", "FED CBA"), ("{{ (' ' ~ c ~ ' ').strip() }}", "ABC DEF"),
            ("-{{ c.split(' ') | join('+') }}-", "ABC+DEF"), ("-{{ c.split() | last }}-", "DEF"),
            ("{{ c.replace('C', 'xx') }}.", "ABxx DEF"), ("{{ c | replace(' ', '') }}.", "ABCDEF"),
            ("{{ c | upper | lower }}.", "abc def"), ("{{ c.partition(' ')[2] }}!", "DEF"),
            ("{% set d = c %}{{ d }}.", "ABC DEF"), ("{% set d %}<{{ c }}>{% endset %}{{ d }}", "ABC DEF"),
            ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(c) }}", "ABC DEF"),
            (
                "{% set ns = namespace(v='') %}{% for x in c %}{% set ns.v = ns.v ~ x %}{% endfor %}{{ ns.v }}.",
                "ABC DEF"
            ),
            ("{% filter upper %}x{{ c }}x{% endfilter %}", "ABC DEF"), ("{{ c | tojson }}!", "\"ABC DEF\""),
            ("{{ {'a': c, 'b': 1} | tojson }}", "\"ABC DEF\""), ("{{ [c] }}", "'ABC DEF'"),
            ("{{ c | list | join }}.", "ABC DEF"),
            ("{{ c | indent(2, true) }}.", "ABC DEF"), ("{{ c | title }}.", "Abc Def"),
            ("{{ c.zfill(9) }}.", "ABC DEF"),
            ("{{ messages[0].content | trim('A') }}", "BC DEF"), ("{{ c | truncate(6, leeway=0) }}.", "ABC"),
            ("{{ c | default('x') }}.", "ABC DEF"), ("{{ c if c else '' }}.", "ABC DEF"),
            ("{{ c or 'x' }}.", "ABC DEF"),
            ("{{ c | map('string') | join }}.", "ABC DEF"), ("{{ c | escape }}.", "ABC DEF"),
            ("{{ c | safe }}.", "ABC DEF"),
            ("{{ c * 2 }}.", "ABC DEFABC DEF"), ("{{ messages | map(attribute='content') | join }}.", "ABC DEF"),
            ("{{ c.splitlines()[0] }}.", "ABC DEF"), ("{{ c ~ '-' ~ c }}.", "ABC DEF-ABC DEF"),
            ("{{ c.center(11) }}", "ABC DEF"),
            ("{{ c | wrapped is defined }}", nil), ("{{ c | length }}", nil), ("{{ 'DEF' in c }}", nil),
            ("{{ messages[0].role }}", nil),
            ("{{ 'ABC DEF' }}", nil), ("{% if c %}x{% endif %}", nil),
        ] as [(String, String?)])
    func followTheText(source: String, said: String?) throws {
        let message = try JSON(parsing: #"{"role": "assistant", "content": "ABC DEF"}"#)
        let full = "{% set c = messages[0].content %}" + source
        guard !source.contains("wrapped") else {
            #expect(throws: TemplateError.self) { try ChatTemplate(source: full, name: "test") }
            return
        }
        let rendered = try ChatTemplate(source: full, name: "test").render(
            messages: [message], addGenerationPrompt: false)
        #expect(rendered.said == (said.map { ["0: " + $0] } ?? []), "\(source): \(rendered.string)")
    }

    @Test func keepMessagesApart() throws {
        let messages = try #require(
            JSON(
                parsing: #"""
                    [{"role": "assistant", "content": "one"}, {"role": "user", "content": "two"}, {"role": "assistant", "content": "three"},
                     {"role": "assistant", "content": "four"}, {"role": "tool", "content": "five"}]
                    """#
            ).array)
        func said(_ source: String) throws -> [String] {
            try ChatTemplate(source: source, name: "test").render(messages: messages, addGenerationPrompt: false).said
        }
        #expect(try said("{% for m in messages %}{{ m.content }}{% endfor %}") == ["0: one", "2: three", "3: four"])
        #expect(
            try said("{{ messages[0].content }}-{{ messages[1].content }}-{{ messages[0].content }}") == [
                "0: one", "0: one",
            ])
        #expect(try said("{{ messages[0].content }}-{{ messages[0].content }}") == ["0: one-one"])
        #expect(
            try said("{% for m in messages[::-1] %}{{ m.content }}{% endfor %}") == ["3: four", "2: three", "0: one"])
        #expect(try said("{{ (messages[0].content ~ messages[1].content)[1:5] }}") == ["0: ne"])
        #expect(try said("{{ messages[1].content }}{{ messages[4].content }}") == [])
        let source = "{% for m in messages %}<{{ m.content[:2] }}|{{ m.content[2:] }}>{% endfor %}"
        let rendered = try ChatTemplate(source: source, name: "test").render(
            messages: messages, addGenerationPrompt: false)
        #expect(rendered.string == "<on|e><tw|o><th|ree><fo|ur><fi|ve>")
        #expect(rendered.otherSpans.map(\.message) == [1, 4])
        #expect(rendered.otherSpans.map(\.range) == [7..<11, 29..<33])
    }

    @Test func ofGenerationBlocksHaveTheirMessage() throws {
        let messages = try #require(Fixtures.json("conversations.json")["turns"]?.array)
        let source = """
            {%- for m in messages %}{{ m.role }}:
            {%- if m.role == 'assistant' %}{% generation %} [{{ m.content }}]{% endgeneration %}{% else %}{{ m.content }}{% endif %}
            {% endfor %}
            """
        let template = try ChatTemplate(source: source, name: "test")
        #expect(template.usesGenerationBlocks)
        let rendered = try template.render(messages: messages, addGenerationPrompt: false)
        #expect(rendered.said == ["1:  [b]", "3:  [d]", "5:  [f]"])
        let phi = try Fixtures.template("phi3_training").render(
            messages: messages, addGenerationPrompt: false, bosToken: "<s>", eosToken: "</s>")
        #expect(phi.said == ["1: b<|end|>\n", "3: d<|end|>\n", "5: f<|end|>\n", "5: </s>"])
    }
}
