public import ChatTemplates

/// Which tokens of a row are trained (`data.train_on`).
public enum TrainOn: String, Sendable, CaseIterable {
    /// Every turn of the assistant, each with the token that ends it.
    case assistant
    /// The last turn of the assistant only.
    case lastAssistant = "last_assistant"
    /// What follows the prompt.
    case completion
    /// Every token of the row.
    case all
}

/// What happens to an example of more than `maxLength` tokens (`data.long_examples`).
public enum LongExamples: String, Sendable, CaseIterable {
    /// The first `maxLength` tokens are kept.
    case truncate
    /// The example is left out, and counted.
    case drop
    /// The run ends with an error that names file and line.
    case error
}

/// A column of a row, by the name that this program gives it.
public enum DataColumn: String, Sendable, CaseIterable {
    case messages, conversations, prompt, completion, instruction, input, output, text, tools
}

/// How rows become examples; the `data` section of the configuration.
public struct DataOptions: Sendable {
    /// What is trained; nil is the default of the row's kind: `assistant` for messages, conversations and instructions,
    /// `completion` for prompt + completion, `all` for text.
    public var trainOn: TrainOn?
    /// Most tokens of an example.
    public var maxLength: Int
    public var longExamples: LongExamples
    /// The names of columns in the files, where they are not this program's own.
    public var columns: [DataColumn: String]
    /// The day that a template prints as today; nil makes a template that asks for it an error.
    public var templateDate: TemplateDate?
    /// Tokens that end a turn besides the tokenizer's own: the `eos_token_id` of `generation_config.json`.
    public var endTokenIDs: [Int32]

    /// The defaults are those of the configuration.
    public init(
        trainOn: TrainOn? = nil, maxLength: Int = 1024, longExamples: LongExamples = .truncate,
        columns: [DataColumn: String] = [:], templateDate: TemplateDate? = nil, endTokenIDs: [Int32] = []
    ) {
        self.trainOn = trainOn
        self.maxLength = maxLength
        self.longExamples = longExamples
        self.columns = columns
        self.templateDate = templateDate
        self.endTokenIDs = endTokenIDs
    }

    /// The name of `column` in the files.
    func name(of column: DataColumn) -> String { columns[column] ?? column.rawValue }
}
