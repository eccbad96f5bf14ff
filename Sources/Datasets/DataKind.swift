internal import JSONText

/// The form of a file's rows, decided by its first row.
public enum DataKind: Sendable, Equatable {
    /// `messages`: [{role, content}, …]
    case messages
    /// `conversations`: [{from, value}, …]
    case conversations
    /// `prompt` and `completion`, both strings: no template is used.
    case promptCompletion
    /// `prompt` and `completion`, both lists of messages.
    case promptCompletionMessages
    /// `instruction`, `input` (may be absent or empty), `output`
    case instruction
    /// `text`
    case text

    /// What the log says.
    public var name: String {
        switch self {
        case .messages: "messages"
        case .conversations: "conversations"
        case .promptCompletion: "prompt + completion"
        case .promptCompletionMessages: "prompt + completion (messages)"
        case .instruction: "instruction + output"
        case .text: "text"
        }
    }

    /// Whether rows go through the chat template.
    public var isChat: Bool { self != .promptCompletion && self != .text }

    /// What is trained unless `train_on` says otherwise.
    public var defaultTrainOn: TrainOn {
        switch self {
        case .messages, .conversations, .instruction: .assistant
        case .promptCompletion, .promptCompletionMessages: .completion
        case .text: .all
        }
    }

    /// The kind of a row by its columns, the richest first: rows that carry `messages` besides a `prompt`, or
    /// `instruction` and `output` besides the `text` made of them, are common.
    /// - Throws: `RowError` if the columns fit no kind.
    init(of row: JSONObject, options: DataOptions) throws {
        func has(_ column: DataColumn) -> Bool { row[options.name(of: column)] != nil }
        if has(.messages) {
            self = .messages
        } else if has(.conversations) {
            self = .conversations
        } else if has(.prompt), has(.completion) {
            self = row[options.name(of: .prompt)]?.array == nil ? .promptCompletion : .promptCompletionMessages
        } else if has(.instruction), has(.output) {
            self = .instruction
        } else if has(.text) {
            self = .text
        } else {
            let found = row.members.map { "\"\($0.key)\"" }.joined(separator: ", ")
            throw RowError(
                "no known form of row: found \(found.isEmpty ? "no columns" : "the columns \(found)"); expected messages, "
                    + "conversations, prompt + completion, instruction + output, or text (data.columns maps other names)"
            )
        }
    }

    /// The columns that every row of this kind must have.
    var requiredColumns: [DataColumn] {
        switch self {
        case .messages: [.messages]
        case .conversations: [.conversations]
        case .promptCompletion, .promptCompletionMessages: [.prompt, .completion]
        case .instruction: [.instruction, .output]
        case .text: [.text]
        }
    }
}
