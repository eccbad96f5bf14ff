import Datasets
import JSONText
import Layers

/// Section `data`: what to train on and how it is read.
public struct DataConfig: Sendable, Equatable {
    /// The JSONL files to train on; empty if not given.
    public var train: [String] = []
    /// The JSONL files of the held-out part; empty for none, or with `eval_split`.
    public var eval: [String] = []
    /// The share of the training rows that is held out instead; nil for none.
    public var evalSplit: Double?
    /// A file with a Jinja chat template that takes the place of the model's own.
    public var chatTemplate: String?
    /// The most tokens of an example.
    public var maxLength = 1024
    /// What becomes of an example with more tokens than that.
    public var longExamples = LongExamples.truncate
    /// Which tokens are trained; nil for what fits the kind of rows: the assistant's turns, the completion, or all of a text.
    public var trainOn: TrainOn?
    /// The names that the files use for the columns that are read: known name → name in the file.
    public var columns: [String: String] = [:]
    /// The day, as YYYY-MM-DD, that a chat template prints as today; nil for the day on which rank 0 starts.
    public var templateDate: String?
    /// Whether each epoch has its own order of rows.
    public var shuffle = true

    public init() {}

    /// What becomes of an example that is too long.
    public enum LongExamples: String, Sendable, CaseIterable { case truncate, drop, error }

    /// Which tokens are trained.
    public enum TrainOn: String, Sendable, CaseIterable {
        /// All turns of the assistant; the completion where there are no turns.
        case assistant
        /// The last turn of the assistant.
        case lastAssistant = "last_assistant"
        /// What follows the prompt.
        case completion
        case all
    }

    /// The columns that data may have.
    static let columnNames = DataColumn.allCases.map(\.rawValue)
}

extension DataConfig: ConfigSection {
    static let name = "data"
    static let fields: [ConfigField<DataConfig>] = [
        .paths("train", \.train, expected: "the path of a JSONL file, or a list of them"),
        .paths("eval", \.eval, expected: "the path of a JSONL file, or a list of them"),
        .number("eval_split", \.evalSplit, .between(0, 1)),
        .path("chat_template", \.chatTemplate, expected: "the path of a file with a Jinja template"),
        .integer("max_length", \.maxLength, atLeast: 2, atMost: Attention.longestExample),
        .choice("long_examples", \.longExamples),
        .choice("train_on", \.trainOn),
        ConfigField(
            "columns", \.columns,
            expected: "column names by known name, such as {prompt: question}; known are "
                + listing(columnNames, "and"),
            decode: decodeColumns, encode: encodeColumns),
        ConfigField(
            "template_date", \.templateDate, expected: "a day as YYYY-MM-DD",
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let text = tree.string, isDay(text) else { return nil }
                return .some(text)
            },
            encode: { $0.map { .string($0) } }),
        .flag("shuffle", \.shuffle),
    ]

    private static let decodeColumns: @Sendable (JSON) -> [String: String]? = { tree in
        if tree.isNull { return [:] }
        guard let members = tree.object?.members else { return nil }
        var columns: [String: String] = [:]
        for (key, value) in members {
            guard columnNames.contains(key), let name = value.string, !name.isEmpty else { return nil }
            columns[key] = name
        }
        return columns
    }

    private static let encodeColumns: @Sendable ([String: String]) -> JSON? = { columns in
        let members = columnNames.compactMap { name in columns[name].map { (key: name, value: JSON.string($0)) } }
        return members.isEmpty ? nil : .object(JSONObject(members))
    }

    /// Whether a text is a day of the Gregorian calendar as YYYY-MM-DD.
    private static func isDay(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month)
        else { return false }
        let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return (1...days[month - 1]).contains(day)
    }
}
