import JSONText
import Synchronization

/// Generation prompts that were found, by the variables they were found with, so that they are looked for once and not for
/// every conversation.
final class GenerationPrompts: Sendable {
    private struct Key: Hashable {
        let variables: [[UInt8]]
        let date: TemplateDate?
    }

    private let known = Mutex<[Key: [UInt8]]>([:])

    /// The prompt known for the variables, else what `find` finds.
    func prompt(for variables: [(String, JSON)], _ date: TemplateDate?, find: () -> [UInt8]) -> [UInt8] {
        let key = Key(variables: variables.flatMap { [Array($0.0.utf8), Array($0.1.text().utf8)] }, date: date)
        if let prompt = known.withLock({ $0[key] }) { return prompt }
        let prompt = find()
        known.withLock {
            if $0.count >= 64 { $0.removeAll() }
            $0[key] = prompt
        }
        return prompt
    }
}
