import JSONText

/// Which bytes of a rendered conversation the assistant said.
///
/// Every string out of a message keeps track of that message while the template cuts, joins and rewrites it, so the output
/// shows which of its bytes came from which message. The stretches of one message with no other message between them are
/// one span, from the first to the last of its bytes: what the template puts between them (the `</think>` between
/// reasoning and answer, the braces of a tool call) is said by the assistant too. For the same reason a span begins
/// earlier if the template writes more between the generation prompt (what `add_generation_prompt` adds) and the message's
/// first byte, such as `<think>` or `<tool_call>`: the model is asked to go on right after the generation prompt. Where a
/// template has no generation prompt (Mistral), a message with tool calls begins where the prompt made of the messages
/// before it ends.
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

    /// The variable that asks for a generation prompt.
    static func prompting(_ isPrompting: Bool) -> (String, JSON) { ("add_generation_prompt", .bool(isPrompting)) }

    /// The spans of the messages that `isAssistant` names.
    /// - Parameter promptEnd: where the prompt that a message answers ends in the output, if that can be told.
    static func spans(
        in output: Text, isAssistant: [Bool], generationPrompt: [UInt8], promptEnd: (_ message: Int) -> Int?
    ) -> [Span] {
        var runs: [Span] = []
        for mark in output.marks {
            guard case .message(let message) = mark.source else { continue }
            if let last = runs.indices.last, runs[last].message == message {
                runs[last].range = runs[last].range.lowerBound..<mark.end
            } else {
                runs.append((message, mark.start..<mark.end))
            }
        }
        var end = 0
        var spans: [Span] = []
        for var run in runs {
            let next = run.range.upperBound
            if isAssistant[run.message] {
                if !generationPrompt.isEmpty,
                    let prompt = output.findLast(generationPrompt, from: end, before: run.range.lowerBound)
                {
                    run.range = prompt + generationPrompt.count..<next
                } else if let start = promptEnd(run.message), end...run.range.lowerBound ~= start {
                    run.range = start..<next
                }
                spans.append(run)
            }
            end = next
        }
        return spans
    }
}
