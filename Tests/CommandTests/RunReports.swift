import Foundation
import JSONText

/// What runs leave in their folders, read for tests.
extension TinyRun {
    /// The events of `metrics.jsonl`.
    func events(_ folder: String = "run") throws -> [JSON] {
        try String(decoding: bytes("\(folder)/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
            .map { try JSON(parsing: String($0)) }
    }

    /// The events of one kind.
    func events(of kind: String, _ folder: String = "run") throws -> [JSON] {
        try events(folder).filter { $0["event"]?.string == kind }
    }

    /// One number of each event of a kind.
    func numbers(_ key: String, of kind: String, _ folder: String = "run") throws -> [Double] {
        try events(of: kind, folder).map { event in
            guard let number = event[key]?.double else {
                throw Unexpected(description: "\(key) is not a number: \(event.text())")
            }
            return number
        }
    }

    /// The bytes of an adapter's matrices.
    func adapter(_ folder: String = "run") throws -> [UInt8] {
        try bytes("\(folder)/adapter/adapter_model.safetensors")
    }

    /// The modules of an adapter, sorted.
    func adaptedModules(_ folder: String = "run") throws -> [String] {
        let bytes = try adapter(folder)
        let count = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        return try JSON(parsing: Array(bytes[8..<8 + count])).object!.members.map(\.key)
            .filter { $0.hasSuffix(".lora_A.weight") }
            .map { String($0.dropFirst("base_model.model.".count).dropLast(".lora_A.weight".count)) }.sorted()
    }

    /// Trains as `good.yaml` says, with additions, and fails if that does not work.
    func trains(_ assignments: [String], into folder: String = "run", ranks: Int? = nil) throws {
        let settings = assignments + ["output.dir=\(folder)"]
        let outcome = try run(
            ["train", "--config", "good.yaml"] + settings.flatMap { ["--set", $0] }, ranks: ranks, in: path)
        guard outcome.exitCode == 0 else { throw Unexpected(description: "\(assignments): \(outcome)") }
    }

    /// Evaluates as `good.yaml` says, with additions.
    func evaluates(_ arguments: [String], ranks: Int? = nil) throws -> JSON {
        let outcome = try run(["eval", "--config", "good.yaml", "--json"] + arguments, ranks: ranks, in: path)
        guard outcome.exitCode == 0 else { throw Unexpected(description: "\(arguments): \(outcome)") }
        return try JSON(parsing: outcome.stdout)
    }

    /// Conversations of very different lengths, some of several turns.
    static func raggedRows(_ count: Int) -> String {
        (0..<count).map { index in
            var turns: [String] = []
            for turn in 0...(index % 3) {
                let question = String(repeating: "why \(index * 7 % 10) ", count: 1 + index * 5 % 7)
                let answer = String(repeating: "because \(turn) ", count: 1 + index * 11 % 9)
                turns.append(#"{"role": "user", "content": "\#(question)"}"#)
                turns.append(#"{"role": "assistant", "content": "\#(answer)"}"#)
            }
            return #"{"messages": [\#(turns.joined(separator: ", "))]}"# + "\n"
        }.joined()
    }
}
