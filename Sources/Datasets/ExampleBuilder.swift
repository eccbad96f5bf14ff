internal import ChatTemplates
internal import JSONText
internal import Tokenizers

/// Turns records into tokens and labels.
struct ExampleBuilder: Sendable {
    let encoder: any TextEncoder
    let renderer: (any ConversationRenderer)?
    let options: DataOptions
    let stops: StopTokens

    init(encoder: any TextEncoder, renderer: (any ConversationRenderer)?, options: DataOptions) {
        self.encoder = encoder
        self.renderer = renderer
        self.options = options
        stops = StopTokens(encoder: encoder, extra: options.endTokenIDs)
    }

    /// - Throws: errors of the tokenizer.
    init(tokenizer: Tokenizer, template: ChatTemplate?, options: DataOptions) throws {
        self.init(
            encoder: try ModelEncoder(tokenizer),
            renderer: template.map { ModelRenderer($0, tokenizer: tokenizer, date: options.templateDate) },
            options: options)
    }

    /// The whole example, not yet cut to `maxLength`.
    /// - Throws: `RowError` for what the row's text makes impossible; errors of the template and the tokenizer.
    func example(_ record: Record, trainOn: TrainOn) throws -> Example {
        switch record {
        case .plain(let prompt, let completion): try plain(prompt: prompt, completion: completion, trainOn: trainOn)
        case .chat(let messages, let completionStart, let tools):
            try chat(messages, completionStart: completionStart, tools: tools, trainOn: trainOn)
        }
    }

    /// The example cut to `maxLength`, and what is to be known of it.
    /// - Throws: `RowError` if it is too long and `longExamples` is `error`.
    func finished(_ example: Example) throws -> (example: Example, size: ExampleSize) {
        let count = example.tokens.count
        var example = example
        let isTooLong = count > options.maxLength
        if isTooLong {
            switch options.longExamples {
            case .error:
                throw RowError(
                    "the example has \(count) tokens, more than max_length \(options.maxLength) "
                        + "(data.long_examples: truncate or drop lets such rows pass)")
            case .drop: return (example, ExampleSize(tokens: count, trained: 0, drop: .tooLong))
            case .truncate:
                example.tokens.removeLast(count - options.maxLength)
                example.labels.removeLast(count - options.maxLength)
            }
        }
        var trained = 0
        var endsTurn = false
        for label in example.labels.dropFirst() where label != Example.ignored {
            trained += 1
            endsTurn = endsTurn || stops.contains(label)
        }
        let size = ExampleSize(
            tokens: example.tokens.count, trained: trained, isTruncated: isTooLong, endsTurn: endsTurn,
            drop: trained == 0 ? .untrained : nil)
        return (example, size)
    }

    /// Text without a template: EOS is appended unless the text ends with it.
    private func plain(prompt: String, completion: String, trainOn: TrainOn) throws -> Example {
        guard let eos = encoder.eos else {
            throw RowError("the tokenizer has no end-of-sequence token, which text and plain completions end with")
        }
        let start = prompt.utf8.count
        let text = Array(prompt.utf8) + Array(completion.utf8)
        var (ids, ranges) = try encoder.encode(text)
        if ids.last != eos {
            ids.append(eos)
            ranges.append(text.count..<text.count)
        }
        let spans = [trainOn == .all ? 0..<text.count : start..<text.count]
        var example = labelled(ids, ranges, spans: spans, trainsAll: trainOn == .all)
        example.labels[example.labels.count - 1] = eos
        return example
    }

    private func chat(_ messages: [JSON], completionStart: Int, tools: JSON?, trainOn: TrainOn) throws -> Example {
        guard let renderer else { throw RowError("the model has no chat template") }
        let rendered = try renderer.render(messages, tools: tools, addGenerationPrompt: false)
        let (ids, ranges) = try encoder.encode(rendered.text)
        let first: Int
        switch trainOn {
        case .assistant, .all: first = 0
        case .lastAssistant: first = messages.lastIndex(where: Conversation.isAssistant) ?? messages.count
        case .completion: first = completionStart
        }
        let turns = AssistantTurns(rendered).turns.filter { $0.message >= first }
        let spans = turns.map { turn in
            // A template that marks what is generated is believed, as long as it marks the end too.
            rendered.usesGenerationBlocks && turn.holdsStopToken(ids: ids, ranges: ranges, stops: stops)
                ? turn.range : turn.withStopToken(ids: ids, ranges: ranges, stops: stops)
        }
        return labelled(ids, ranges, spans: spans, trainsAll: trainOn == .all)
    }

    /// The tokens of a text that is to be continued: no EOS.
    func prompt(_ text: [UInt8]) throws -> [Int32] {
        let (ids, ranges) = try encoder.encode(text)
        return labelled(ids, ranges, spans: [], trainsAll: false).tokens
    }

    /// Labels each token that has a byte in a span, and puts BOS first where the tokenizer does and the text does not.
    /// The spans ascend and do not overlap.
    private func labelled(
        _ ids: [Int32], _ ranges: [Range<Int>], spans: [Range<Int>], trainsAll: Bool
    ) -> Example {
        var tokens = ids
        var labels = ids
        if !trainsAll {
            var span = 0
            for (index, range) in ranges.enumerated() {
                while span < spans.count, spans[span].upperBound <= range.lowerBound { span += 1 }
                let isTrained = span < spans.count && !range.isEmpty && spans[span].overlaps(range)
                if !isTrained { labels[index] = Example.ignored }
            }
        }
        if let bos = encoder.addedBOS, ids.first != bos {
            tokens.insert(bos, at: 0)
            labels.insert(trainsAll ? bos : Example.ignored, at: 0)
        }
        return Example(tokens: tokens, labels: labels)
    }
}
