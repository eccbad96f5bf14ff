import Foundation
import JSONText
import Training

/// Conversations to go on with.
enum Prompts {
    /// A message of a conversation.
    static func message(_ role: String, _ content: String) -> JSON {
        .object(JSONObject([("role", .string(role)), ("content", .string(content))]))
    }

    /// The conversation with a system turn before it, unless it has one.
    static func adding(system: String?, to messages: [JSON]) -> [JSON] {
        guard let system, messages.first?["role"]?.string != "system" else { return messages }
        return [message("system", system)] + messages
    }

    /// Reads a JSONL file of conversations; empty lines are passed over.
    /// - Throws: `InputError` for a file that cannot be read, with the line of what is not a conversation.
    static func read(_ file: String) throws -> [[JSON]] {
        guard FileManager.default.fileExists(atPath: file) else {
            throw InputError(file, reason: "no such file (--prompts)")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw InputError(file, reason: "not a file that can be read (--prompts)")
        }
        var conversations: [[JSON]] = []
        for (index, line) in data.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { continue }
            let value: JSON
            do {
                value = try JSON(parsing: Array(line))
            } catch {
                throw InputError(file, line: index + 1, reason: "column \(error.column): \(error.reason)")
            }
            conversations.append(try conversation(value, file: file, line: index + 1))
        }
        guard !conversations.isEmpty else { throw InputError(file, reason: "there is no prompt in this file") }
        return conversations
    }

    private static func conversation(_ value: JSON, file: String, line: Int) throws -> [JSON] {
        if let text = value.string { return [message("user", text)] }
        if let text = value["prompt"]?.string { return [message("user", text)] }
        guard var messages = value.array ?? value["messages"]?.array ?? value["prompt"]?.array else {
            throw InputError(
                file, line: line,
                reason:
                    "found \(value.kind), expected a string, a list of messages, or an object with messages or prompt")
        }
        for (index, message) in messages.enumerated() {
            guard message["role"]?.string != nil, let content = message["content"],
                content.string != nil || content.array != nil
            else {
                throw InputError(file, line: line, reason: "message \(index + 1) has no role or no content")
            }
        }
        if messages.last?["role"]?.string == "assistant" { messages.removeLast() }
        guard !messages.isEmpty else { throw InputError(file, line: line, reason: "there is no message to answer") }
        return messages
    }
}
