import ChatTemplates
import Foundation
import JSONText

/// The files beside the tests that `Fixtures/generate.py` wrote.
enum Fixtures {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    static func json(_ name: String) throws -> JSON {
        try JSON(parsing: Array(Data(contentsOf: folder.appending(path: name))))
    }

    static func template(_ name: String) throws -> ChatTemplate {
        try ChatTemplate(source: source(name), name: name)
    }

    static func source(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: "templates/\(name).jinja"), encoding: .utf8)
    }

    static var templateNames: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "templates").path)
                .filter { $0.hasSuffix(".jinja") }.map { String($0.dropLast(6)) }.sorted()
        }
    }

    static let date = TemplateDate(year: 2024, month: 7, day: 6, hour: 15, minute: 4, second: 9)

    /// Renders one line of source with variables.
    static func render(_ source: String, _ variables: [(String, JSON)] = []) throws -> String {
        let template = try ChatTemplate(source: source, name: "snippet")
        let rendered = try template.render(messages: [], addGenerationPrompt: false, extra: variables, date: date)
        return String(decoding: rendered.text, as: UTF8.self)
    }
}

extension JSON {
    /// An object's members as variables of a template.
    var variables: [(String, JSON)] { object?.members.map { ($0.key, $0.value) } ?? [] }
}

extension ChatTemplate.Rendered {
    var string: String { String(decoding: text, as: UTF8.self) }

    /// The text of each span with its message.
    var said: [String] {
        assistantSpans.map { "\($0.message): " + String(decoding: text[$0.range], as: UTF8.self) }
    }

    /// The spans as the fixtures write them.
    var ranges: [[Int]] { assistantSpans.map { [$0.message, $0.range.lowerBound, $0.range.upperBound] } }
}
