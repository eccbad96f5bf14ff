import JSONText
import Testing

@Suite struct JSONTests {
    @Test func readsWhatItWrites() throws {
        let text = #"{"a": [1, -2.5, 1e-05, true, null], "b": {"c": "é\n\"😀"}, "d": []}"#
        let value = try JSON(parsing: text)
        #expect(value.text() == #"{"a": [1, -2.5, 1e-05, true, null], "b": {"c": "é\n\"😀"}, "d": []}"#)
        #expect(value["b"]?["c"]?.string == "é\n\"😀")
        #expect(try JSON(parsing: value.text(indent: 2)).text() == text)
    }

    @Test func keysAreBytes() throws {
        let value = try JSON(parsing: "{\"e\\u0301\": 1, \"\u{E9}\": 2}")
        #expect(value["e\u{301}"]?.int == 1)
        #expect(value["\u{E9}"]?.int == 2)
        #expect(value.object?.count == 2)
    }

    @Test(arguments: [
        ("{\"a\": 1,}", 1, 9, "key"), ("[1, 2", 1, 6, "']'"), ("{\n\"a\": tru}", 2, 6, "value"),
        ("\"\\ud800\"", 1, 8, "surrogate"), ("[01]", 1, 2, "begin with 0"), ("1 2", 1, 3, "after"),
        ("\"a", 1, 1, "end"),
        ("", 1, 1, "ends"), ("\"\u{1}\"", 1, 2, "control"),
    ])
    func refuses(text: String, line: Int, column: Int, reason: String) throws {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: text) }
        #expect(error?.line == line && error?.column == column, "\(text): \(String(describing: error))")
        #expect(error?.reason.contains(reason) == true, "\(text): \(String(describing: error))")
    }

    @Test func refusesDeepNestingAndInvalidUTF8() {
        #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 100_000)) }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0x5C, 0x6E, 0xC3, 0x22]) }
    }
}
