import ChatTemplates
import JSONText
import Testing

/// What is refused, and where the message says it is.
@Suite struct TemplateErrorTests {
    @Test(arguments: [
        ("a\n{{ x | nope }}", 2, "unknown filter 'nope'"), ("\n\n{{ x is nope }}", 3, "unknown test 'nope'"),
        ("{% if f %}\n{{ x | nope }}{% endif %}", 2, "unknown filter 'nope'"),
        ("a\nb\n{% frobnicate %}", 3, "unknown tag 'frobnicate'"),
        ("{% if x %}\n{% endfor %}", 2, "unknown tag 'endfor'"),
        ("{% if x %}\ntext\n", 2, "ends without 'elif' or 'else' or 'endif'"), ("\n{{ x", 2, "expected '}}'"),
        ("\n{# never", 2, "comment"), ("\n\n{% raw %}", 3, "endraw"), ("{{ 'a\n", 1, "closing quote"),
        ("{{ (1] }}", 1, "expected ')'"), ("{% for x in y recursive %}{% endfor %}", 1, "recursive"),
        ("{{ 99999999999999999999 }}", 1, "64 bits"), ("{{ '\\ud800' }}", 1, "surrogate"),
        ("{{ '\\N{DASH}' }}", 1, "named"),
        ("{% block a %}{% endblock %}", 1, "not supported"), ("{{ x ! }}", 1, "unexpected character '!'"),
        ("{{ é€ }}", 1, "unexpected character '€'"), ("{% continue %}", 1, "outside of a loop"),
    ])
    func inTheSource(source: String, line: Int, reason: String) throws {
        let error = #expect(throws: TemplateError.self) { try ChatTemplate(source: source, name: "file.jinja") }
        #expect(error?.line == line, "\(String(describing: error))")
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.description.hasPrefix("file.jinja, line \(line): ") == true)
        #expect(error?.isRaisedByTemplate == false)
    }

    @Test(arguments: [
        ("a\n{{ missing.x }}", 2, "'missing' is undefined", false), ("\n\n{{ 1 +\n 'a' }}", 3, "not supported", false),
        ("{% for i in [1] %}\n{{ i.a.b }}\n{% endfor %}", 2, "has no attribute 'a'", false),
        ("{% macro m() %}\n\n{{ 1 // 0 }}{% endmacro %}\n{{ m() }}", 3, "division by zero", false),
        ("\n{{ raise_exception('no\nway') }}", 2, "no\nway", true), ("{{ [].append(1) }}", 1, "may not do", false),
        ("{{ 9223372036854775807 + 1 }}", 1, "64 bits", false),
        ("{{ 'a'.encode() }}", 1, "'encode' is not supported", false),
        ("{{ {'a': 1}.fromkeys([1]) }}", 1, "'fromkeys' is not supported", false),
        ("{{ 'a'.strip('a', 'b') }}", 1, "at most 1", false),
        ("{{ 'a' | trim(char='b') }}", 1, "no parameter 'char'", false),
        ("{{ 'a' | replace }}", 1, "missing", false), ("{{ 1 | map('nope') | list }}", 1, "unknown filter", false),
        ("{{ namespace }}", 1, "cannot be printed", false), ("{{ 'a' | join(1, d=2) }}", 1, "two values", false),
        ("{{ strftime_now('%Q') }}", 1, "'%Q' is not supported", false),
    ])
    func whileRendering(source: String, line: Int, reason: String, isRaised: Bool) throws {
        let template = try ChatTemplate(source: source, name: "file.jinja")
        let error = #expect(throws: TemplateError.self) {
            try template.render(messages: [], addGenerationPrompt: false, date: Fixtures.date)
        }
        #expect(error?.line == line, "\(String(describing: error))")
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.isRaisedByTemplate == isRaised)
    }

    @Test(arguments: [
        ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "passes through loops"),
        ("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "bytes"),
        ("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "values"),
        (
            "{% set ns = namespace(s=[1]) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}",
            "nested deeper"
        ),
        ("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}", "values"),
        ("{{ 'a' * 99999999999 }}", "bytes"), ("{{ [1] * 99999999999 }}", "values"),
        ("{{ 'a' | center(999999999) }}", "bytes"),
        ("{{ 'a' | indent(999999999) ~ '\n' | indent(999999999, true) }}", "bytes"),
        ("{{ '%999999999d' % 1 }}", "too large"),
        ("{{ 'a'.replace('', 'b' * 60000000) }}", "bytes"), ("{{ ('a' * 9999) | list | join('b' * 9999) }}", "bytes"),
        ("{% for i in range(100000) %}{{ 'a' * 9999 }}{% endfor %}", "bytes"), ("{{ 2 ** 64 }}", "64 bits"),
        ("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}", "nested deeper"),
        (
            "{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro %}{{ b() }}",
            "nested deeper"
        ),
        ("{{ range(-9223372036854775807, 9223372036854775807, 2) }}", "64 bits"),
        ("{{ 'ab'[::-9223372036854775807 - 1] ~ 'ab'[9223372036854775807:] ~ raise_exception('fine') }}", "fine"),
    ])
    func beyondTheLimits(source: String, reason: String) throws {
        let template = try ChatTemplate(source: source, name: "file.jinja")
        let error = #expect(throws: TemplateError.self) {
            try template.render(messages: [], addGenerationPrompt: false)
        }
        #expect(error?.line == 1)
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        ("{{ ", "(", "1", ")", " }}"), ("{{ ", "[", "1", "]", " }}"), ("{{ ", "not ", "x", "", " }}"),
        ("{{ ", "-", "x", "", " }}"),
        ("", "{% if x %}", "", "{% endif %}", ""), ("{{ x", ".a", "", "", " }}"), ("{{ x", "|list", "", "", " }}"),
        ("{{ ", "1 if x else ", "2", "", " }}"), ("{{ ", "{'a': ", "1", "}", " }}"),
        ("{% set ", "(", "a", ")", " = 1 %}"),
    ])
    func deepSource(start: String, open: String, inner: String, close: String, end: String) throws {
        func source(_ depth: Int) -> String {
            start + String(repeating: open, count: depth) + inner + String(repeating: close, count: depth) + end
        }
        _ = try ChatTemplate(source: source(20), name: "shallow")
        let error = #expect(throws: TemplateError.self) { try ChatTemplate(source: source(10_000), name: "deep") }
        #expect(error?.reason.contains("\(100)") == true, "\(String(describing: error))")
    }

    @Test func longIsNotDeep() throws {
        let sum = (0..<5000).map { "'\($0 % 10)'" }
        #expect(try Fixtures.render("{{ " + sum.joined(separator: " + ") + " }}").utf8.count == 5000)
        #expect(try Fixtures.render("{{ " + sum.joined(separator: " ~ ") + " }}").utf8.count == 5000)
        #expect(try Fixtures.render("{{ " + sum.joined(separator: " and ") + " }}") == "9")
        let branches = (1..<3000).map { "{% elif x == \($0) %}\($0)" }.joined()
        #expect(try Fixtures.render("{% if x == 0 %}0" + branches + "{% endif %}", [("x", .integer(2999))]) == "2999")
    }

    @Test func messagesMustBeObjects() throws {
        let template = try ChatTemplate(source: "{{ messages }}", name: "t")
        let error = #expect(throws: TemplateError.self) {
            try template.render(messages: [.string("hello")], addGenerationPrompt: false)
        }
        #expect(error?.reason.contains("message 0 is a string") == true)
    }

    @Test func theDateMustBeGiven() throws {
        let template = try ChatTemplate(source: "{{ strftime_now('%Y') }}", name: "t")
        #expect(throws: TemplateError.self) { try template.render(messages: [], addGenerationPrompt: false) }
        #expect(try template.render(messages: [], addGenerationPrompt: false, date: Fixtures.date).string == "2024")
    }
}
