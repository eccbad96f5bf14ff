extension AssistantSpans {
    /// What came from messages that `isAssistant` does not name, in the order of the output: stretches of one message
    /// with no other's between them are one span.
    static func others(in output: Text, isAssistant: [Bool]) -> [Span] {
        var spans: [Span] = []
        var previous: Int?
        for mark in output.marks {
            guard case .message(let message) = mark.source else {
                previous = nil
                continue
            }
            defer { previous = message }
            if isAssistant[message] { continue }
            if message == previous, let last = spans.indices.last {
                spans[last].range = spans[last].range.lowerBound..<mark.end
            } else {
                spans.append((message, mark.start..<mark.end))
            }
        }
        return spans
    }
}
