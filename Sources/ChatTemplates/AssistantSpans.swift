import JSONText

/// Which bytes of a rendered conversation the assistant said.
///
/// Every string out of a message keeps track of that message while the template cuts, joins and rewrites it, so the output
/// shows which of its bytes came from which message. The stretches of one message with no other message between them are
/// one span, from the first to the last of its bytes: what the template puts between them (the `</think>` between
/// reasoning and answer, the braces of a tool call) is said by the assistant too. For the same reason a span begins
/// earlier if the template writes more between the generation prompt (what `add_generation_prompt` adds) and the message's
/// first byte, such as `<think>` or `<tool_call>`: the model is asked to go on right after the generation prompt. If that
/// prompt opens the reasoning (`<think>`) and a turn has none, the turn begins after the part before. Where a template has
/// no generation prompt (Mistral), a message with tool calls begins where the prompt made of the messages before it ends.
/// Nothing is added at the end: whoever uses a span goes on to the token that ends the turn.
enum AssistantSpans {
    typealias Span = (message: Int, range: Range<Int>)

    /// The `{% generation %}` blocks of an output, in order, as the template set them.
    static func generations(in output: Text) -> [Span] {
        output.marks.compactMap { mark in
            guard case .generation(let message) = mark.source else { return nil }
            return (message, mark.start..<mark.end)
        }
    }

    /// What came from each message outside of generation blocks, with what is between the pieces of one message.
    static func runs(in output: Text) -> [Span] {
        var runs: [Span] = []
        var previous: Source?
        for mark in output.marks {
            defer { previous = mark.source }
            guard case .message(let message) = mark.source else { continue }
            if previous == mark.source {
                runs[runs.count - 1].range = runs[runs.count - 1].range.lowerBound..<mark.end
            } else {
                runs.append((message, mark.start..<mark.end))
            }
        }
        return runs
    }

    /// The variable that asks for a generation prompt.
    static func prompting(_ isPrompting: Bool) -> (String, JSON) { ("add_generation_prompt", .bool(isPrompting)) }

    /// The spans of the messages that `isAssistant` names. `promptEnd` says where the prompt that a message answers ends
    /// in the output, if that can be told.
    static func spans(
        in output: Text, isAssistant: [Bool], generationPrompt: [UInt8],
        promptEnd: (_ message: Int) throws -> Int?
    ) rethrows -> [Span] {
        var end = 0
        var spans: [Span] = []
        for var run in runs(in: output) {
            let next = run.range.upperBound
            if isAssistant[run.message] {
                if let start = turnStart(in: output, end..<run.range.lowerBound, generationPrompt) {
                    run.range = start..<next
                } else if let start = try promptEnd(run.message), end...run.range.lowerBound ~= start {
                    run.range = start..<next
                }
                spans.append(run)
            }
            end = next
        }
        return spans
    }

    /// Where the generation prompt ends in what the template wrote between two messages.
    private static func turnStart(in output: Text, _ range: Range<Int>, _ generationPrompt: [UInt8]) -> Int? {
        let reasoning = Text(generationPrompt).find(Array("<think>".utf8), from: 0) ?? 0
        for prompt in [generationPrompt, Array(generationPrompt[..<reasoning])] where !prompt.isEmpty {
            if let found = output.findLast(prompt, from: range.lowerBound, before: range.upperBound) {
                return found + prompt.count
            }
        }
        return nil
    }
}
