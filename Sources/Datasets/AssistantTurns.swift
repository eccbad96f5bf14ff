/// The stretches of a rendered conversation that the assistant wrote, by message.
struct AssistantTurns {
    /// One stretch.
    struct Turn: Equatable {
        var message: Int
        /// From the first to the last byte that came from the message, and what the template wrote between them.
        var range: Range<Int>
        /// Where the next message's own text begins, or the text's end: the stop token lies before it.
        var bound: Int
    }

    /// In the order of the text.
    let turns: [Turn]

    /// Pieces of one message are joined unless another message's lie between them.
    init(_ rendered: RenderedConversation) {
        let assistant = rendered.assistant.map { (span: $0, isAssistant: true) }
        let others = rendered.others.map { (span: $0, isAssistant: false) }
        let pieces = (assistant + others).sorted { $0.span.range.lowerBound < $1.span.range.lowerBound }
        var turns: [Turn] = []
        var previous: Int?
        for (span, isAssistant) in pieces {
            defer { previous = span.message }
            if span.message == previous {
                if isAssistant, let last = turns.indices.last {
                    let range = turns[last].range
                    turns[last].range = range.lowerBound..<max(range.upperBound, span.range.upperBound)
                }
                continue
            }
            if let last = turns.indices.last, turns[last].bound == rendered.text.count {
                turns[last].bound = max(span.range.lowerBound, turns[last].range.upperBound)
            }
            if isAssistant {
                turns.append(Turn(message: span.message, range: span.range, bound: rendered.text.count))
            }
        }
        self.turns = turns
    }
}

extension AssistantTurns.Turn {
    /// Whether a stop token lies within the turn's own bytes.
    func holdsStopToken(ids: [Int32], ranges: [Range<Int>], stops: StopTokens) -> Bool {
        var index = ranges.partitioningIndex { $0.lowerBound >= range.lowerBound }
        while index < ids.count, ranges[index].upperBound <= range.upperBound {
            if stops.contains(ids[index]), !ranges[index].isEmpty { return true }
            index += 1
        }
        return false
    }

    /// The turn's bytes with those up to the end of the first stop token after it, if there is one before `bound`.
    /// `ids` are the tokens of the text, `ranges` the bytes that each covers, ascending.
    func withStopToken(ids: [Int32], ranges: [Range<Int>], stops: StopTokens) -> Range<Int> {
        var index = ranges.partitioningIndex { $0.lowerBound >= range.upperBound }
        while index < ids.count, ranges[index].lowerBound < bound {
            if stops.contains(ids[index]), !ranges[index].isEmpty { return range.lowerBound..<ranges[index].upperBound }
            index += 1
        }
        return range
    }
}

extension Array {
    /// The first index whose element satisfies the condition, which is false and then true along the array.
    func partitioningIndex(where condition: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
