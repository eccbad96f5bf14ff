import ChatTemplates
import Collectives
import Datasets
import Foundation
import Tokenizers

/// Rows of a data set with their sizes, which every rank knows.
struct TrainingData {
    let dataset: SFTDataset
    /// Of every row of the files.
    let sizes: [ExampleSize]
    /// What many rows begin with.
    private let prefixes: SharedPrefixes
    /// Why a micro-batch cannot compute what its examples begin with once for all: with dropout and with noise on embeddings each
    /// example has its own. Nil where it can.
    var reasonNotToShare: String?
    /// What is called what in messages: `data.train` or `data.eval`.
    let name: String

    /// Opens files and measures them, each rank its share of the rows.
    init(
        _ files: [String], name: String, session: Session, world: Communicator, threads: Int, isTraining: Bool
    ) throws {
        let dataset = try world.together {
            try SFTDataset(
                files: files, options: session.dataOptions, tokenizer: session.tokenizer, template: session.template)
        }
        try world.agreeOn(
            ([String(dataset.count)] + files.map { "\($0) \(Self.size(of: $0))" }).joined(separator: ", "), what: name)
        let share = dataset.count * world.rank / world.size..<dataset.count * (world.rank + 1) / world.size
        let prefixes = session.config.training.sharePrefix ? dataset.sharedPrefixes() : .none
        let tick = world.board.tick
        let mine = try world.together {
            try dataset.measure(share, prefixes: prefixes, threads: threads, tick: tick)
        }
        let sizes = try world.allGather(ExampleSize.packed(mine)).flatMap(ExampleSize.unpacked)
        try world.together {
            try DataSummary(sizes).check(
                name: name, maxLength: session.config.data.maxLength, isTraining: isTraining)
        }
        self.sizes = sizes
        self.prefixes = prefixes
        self.dataset = dataset
        self.name = name
    }

    private static func size(of file: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? -1
    }

    /// Rows that are trained on or evaluated.
    var usedRows: [Int] { sizes.indices.filter { sizes[$0].drop == nil } }

    /// Tokens of the longest example that is used.
    var longest: Int { sizes.reduce(1) { $1.drop == nil ? max($0, $1.tokens) : $0 } }

    /// One line for each file, one for the whole, and one for each prefix that examples share.
    var report: [String] {
        dataset.files.map {
            "\(name): \($0.path): \($0.rows) rows of \($0.kind.name), trained on \($0.trainOn.rawValue)"
        }
            + ["\(name): " + DataSummary(sizes).text] + prefixReport
    }

    private var prefixReport: [String] {
        let used = usedRows
        var counts = [Int](repeating: 0, count: prefixes.tokens.count)
        for row in used { if let prefix = sizes[row].prefix { counts[prefix.index] += 1 } }
        let groups = counts.indices.filter { counts[$0] > 1 }.map { (counts[$0], prefixes.tokens[$0].count) }
        guard let (count, tokens) = groups.first else { return [] }
        let lengths = groups.map(\.1)
        let beginnings =
            groups.count == 1
            ? "\(count) of \(used.count) examples begin with the same \(tokens) tokens"
            : "\(groups.reduce(0) { $0 + $1.0 }) of \(used.count) examples begin with one of \(groups.count) beginnings of "
                + "\(lengths.min()!) to \(lengths.max()!) tokens that they share"
        let use = reasonNotToShare.map { "not shared, since \($0)" } ?? "computed once per micro-batch"
        return ["\(name): \(beginnings): \(use)"]
    }

    /// Loads examples of a batch of rows by position.
    func loader(_ rows: [Int]) -> StepEngine.Load {
        { position in (try dataset.example(rows[position]), UInt32(truncatingIfNeeded: rows[position])) }
    }

    /// The sizes of a batch of rows, with the prefixes that are to be shared.
    func sizes(of rows: [Int]) -> [ExampleSize] {
        rows.map { row in
            var size = sizes[row]
            if reasonNotToShare != nil { size.prefix = nil }
            return size
        }
    }
}

/// The held-out rows of a session: those of `data.eval`, or the share `data.eval_split` of the training rows.
struct HeldOutRows {
    let data: TrainingData
    let rows: [Int]

    init(_ session: Session, world: Communicator, threads: Int) throws {
        let config = session.config.data
        guard config.evalSplit != nil else {
            data = try TrainingData(
                config.eval, name: "data.eval", session: session, world: world, threads: threads,
                isTraining: false)
            rows = data.usedRows
            return
        }
        data = try TrainingData(
            config.train, name: "data.train", session: session, world: world, threads: threads, isTraining: false)
        rows = try Self.split(data, session, world).heldOut
    }

    /// The examples of a data set to train on and to hold out, by `data.eval_split`.
    static func split(
        _ data: TrainingData, _ session: Session, _ world: Communicator
    ) throws -> (training: [Int], heldOut: [Int]) {
        let used = data.usedRows
        try world.together {
            if used.count < 2 {
                throw ConfigError(key: "data.eval_split", reason: "needs at least 2 examples, found \(used.count)")
            }
        }
        let split = BatchPlan.heldOut(
            count: used.count, share: session.config.data.evalSplit!, seed: UInt64(session.config.training.seed))
        return (split.training.map { used[$0] }, split.heldOut.map { used[$0] })
    }
}
