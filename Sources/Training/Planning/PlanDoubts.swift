import Foundation
import LoRA
import Models
import Tensors
import Tokenizers

/// Why LoRA, or LoRA of some shape, may be a poor choice.
enum PlanDoubts {
    /// Parameters below which full fine-tuning is within reach of a desktop.
    private static let tiny = 500_000_000

    /// What the shape of an adapter says.
    static func ranks(_ adapter: Adapter) -> [String] {
        let entries = adapter.values.layout.entries
        var (full, large): ([String], [String]) = ([], [])
        for module in adapter.modules {
            let kind = String(module.path.split(separator: ".").last!)
            let (inputs, outputs) = (entries[module.a].columns, entries[module.b].rows)
            let shape = "\(kind) (\(outputs) × \(inputs), r = \(module.rank))"
            if module.rank >= min(inputs, outputs) {
                if !full.contains(shape) { full.append(shape) }
            } else if module.rank * (inputs + outputs) >= inputs * outputs, !large.contains(shape) {
                large.append(shape)
            }
        }
        var doubts: [String] = []
        if !full.isEmpty {
            doubts.append(
                "the rank reaches the smaller side of \(full.joined(separator: ", ")): B A can be any matrix there, so that "
                    + "nothing is saved against training the matrix itself; lower lora.r, or leave these out")
        }
        if !large.isEmpty {
            doubts.append(
                "A and B have as many numbers as the matrix or more in \(large.joined(separator: ", ")); lower lora.r")
        }
        return doubts
    }

    /// What the size of the model says.
    /// - Parameters:
    ///   - base: the model.
    ///   - full: full fine-tuning of it, in bytes of a node.
    ///   - available: that a node has.
    /// - Returns: the doubt; nil if there is none.
    static func size(_ base: BaseModel, full: Int, available: Int) -> String? {
        let count = base.config.parameterCount
        guard count < tiny, full <= available else { return nil }
        let shown = count.formatted(.number.locale(Locale(identifier: "en_US")))
        return
            "the model is small: full fine-tuning of its \(shown) parameters would fit in this memory too, and can learn what "
            + "no low-rank update expresses; LoRA saves here what is not short"
    }

    /// Marks such as `<|im_start|>` that a chat template writes and the tokenizer has no token for.
    static func tokens(template: String, tokenizer: Tokenizer) -> String? {
        var marks: [String] = []
        for match in template.matches(of: /<\|[A-Za-z0-9_]{1,40}\|>/) {
            let mark = String(match.output)
            if !marks.contains(mark), tokenizer.id(of: Array(mark.utf8)) == nil { marks.append(mark) }
        }
        guard !marks.isEmpty else { return nil }
        return
            "the chat template writes \(marks.joined(separator: ", ")), for which the tokenizer has no token: they are spelt in "
            + "pieces. As new tokens they would need embeddings of their own, which LoRA on linear maps does not train"
    }

    /// Tokens that a chat template writes and the base has not learnt: their embeddings are zero, or the same as another's.
    /// - Parameters:
    ///   - template: its text.
    ///   - tokenizer: of the base.
    ///   - base: with weights, of which the rows of these tokens are read.
    /// - Returns: the doubt; nil if there is none.
    static func embeddings(template: String, tokenizer: Tokenizer, base: BaseModel) -> String? {
        let written = tokenizer.specialTokens.filter { !$0.text.isEmpty && template.contains($0.text) }.prefix(64)
        guard !base.files.isEmpty, !written.isEmpty else { return nil }
        let arena = Arena(bytes: 4 * base.embedding.columns + 64)
        return unlearnt(
            written.map { token in
                arena.reset()
                let row = arena.matrix(1, base.embedding.columns)
                base.embedding.copyRow(Int(token.id), into: row, row: 0)
                return (token.text, row.elements)
            })
    }

    /// What rows of an embedding table say of their tokens.
    static func unlearnt(_ rows: [(token: String, embedding: [Float])]) -> String? {
        let found = rows.enumerated().filter { place, row in
            row.embedding.allSatisfy { $0 == 0 }
                || rows.enumerated().contains { $0.offset != place && $0.element.embedding == row.embedding }
        }
        guard !found.isEmpty else { return nil }
        return
            "the chat template writes \(found.map(\.element.token).joined(separator: ", ")), which the base has not learnt (zero "
            + "embeddings, or the same for several): LoRA on linear maps does not train embeddings; add embed_tokens "
            + "to lora.modules_to_save, or use a template of tokens that the base knows"
    }
}
