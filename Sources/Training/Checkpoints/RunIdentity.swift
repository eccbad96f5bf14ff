import Collectives
import Foundation
import JSONText
import LoRA
import Models
import Tokenizers
import WeightFiles

/// What a run is made of, by digest: a run that is resumed must find the same.
struct RunIdentity: Equatable {
    /// Of the base's headers, sizes and samples of its weights.
    var base = ""
    /// Of the tokenizer's files, and of the text of the chat template.
    var tokenizer = "", template = ""
    /// Of the rows that are trained on, and of those held out.
    var train = "", eval = ""
    /// Of what `lora.init_adapter` brings; empty without one.
    var adapter = ""

    private static let parts: [(name: String, key: String, path: any WritableKeyPath<RunIdentity, String> & Sendable)] =
        [
            ("the base model (model.path)", "base", \.base), ("the tokenizer (model.path)", "tokenizer", \.tokenizer),
            ("the chat template", "template", \.template), ("the training data (data.train)", "train", \.train),
            ("the held-out data (data.eval)", "eval", \.eval),
            ("the starting adapter (lora.init_adapter)", "adapter", \.adapter),
        ]

    init() {}

    /// Reads whatever the digests are of; all ranks find the same, or all fail.
    /// - Throws: the same `SharedError` on all ranks.
    init(_ session: Session, world: Communicator) throws {
        // One rank of each node looks at its files.
        let found = try world.together {
            world.localRank == 0 ? try Self(reading: session, tick: world.board.tick) : Self()
        }
        for part in Self.parts {
            let texts = try world.allGather(Array(found[keyPath: part.path].utf8))
            guard let other = texts.firstIndex(where: { !$0.isEmpty && $0 != texts[0] }) else { continue }
            throw SharedError(
                exitCode: 3,
                description: "\(part.name) on \(world.hostNames[other]) is not that on \(world.hostNames[0]): their "
                    + "digests differ; give all hosts the same files")
        }
        for part in Self.parts {
            let text = try world.broadcast(Array(found[keyPath: part.path].utf8))
            self[keyPath: part.path] = String(decoding: text, as: UTF8.self)
        }
    }

    private init(reading session: Session, tick: () -> Void) throws {
        base = try BaseDigest.sampled(session.base)
        tokenizer =
            session.base.gguf == nil
            ? try Digest.ofFiles(session.tokenizer.filesToCopy.map { "\(session.base.path)/\($0)" })
            : BaseDigest.headers(session.base)
        template =
            try session.config.data.chatTemplate.map { try Digest.ofFile($0) }
            ?? Digest.of(session.tokenizer.chatTemplateSource?.text ?? "")
        train = try Digest.ofFiles(session.config.data.train, tick: tick)
        eval = try Digest.ofFiles(session.config.data.eval, tick: tick)
        // What it says of itself: once the run has begun, its matrices are those of the checkpoint.
        adapter = try session.config.lora.initAdapter.map { try Digest.ofFile("\($0)/\(PEFTFolder.configName)") } ?? ""
    }

    /// Reads what `json` gave.
    init?(json: JSON) {
        for part in Self.parts {
            guard let text = json[part.key]?.string else { return nil }
            self[keyPath: part.path] = text
        }
    }

    var json: JSON { .object(JSONObject(Self.parts.map { ($0.key, .string(self[keyPath: $0.path])) })) }

    /// What is not as it was, in words.
    func differences(from other: RunIdentity) -> [String] {
        Self.parts.filter { self[keyPath: $0.path] != other[keyPath: $0.path] }.map(\.name)
    }
}
