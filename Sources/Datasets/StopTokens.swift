/// The tokens that may end a turn.
struct StopTokens: Sendable {
    /// Special tokens by which known model families end a turn or a text. Only those in the vocabulary count.
    static let known = [
        "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|eot|>",
        "<end_of_turn>", "<turn|>", "<eos>", "</s>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>",
        "<end_of_utterance>", "<|return|>", "<|call|>", "<|eom|>", "<|endofturn|>",
    ]

    let ids: Set<Int32>

    /// The known tokens of the vocabulary, its EOS, and `extra`: ids that the model's generation settings name.
    init(encoder: any TextEncoder, extra: [Int32]) {
        var ids = Set(extra)
        if let eos = encoder.eos { ids.insert(eos) }
        for text in Self.known {
            if let id = encoder.specialToken(text) { ids.insert(id) }
        }
        self.ids = ids
    }

    func contains(_ id: Int32) -> Bool { ids.contains(id) }
}
