public import ChatTemplates
internal import Dispatch
internal import JSONText
internal import Synchronization
public import Tokenizers

/// Rows of JSONL files as examples for supervised fine-tuning: mapped, indexed, parsed when they are asked for.
public struct SFTDataset: Sendable {
    /// A file and what was found about it, for the log.
    public struct FileInfo: Sendable, Equatable {
        public let path: String
        /// Decided by the file's first row.
        public let kind: DataKind
        public let rows: Int
        /// What is trained in its rows.
        public let trainOn: TrainOn
    }

    /// The files in the order given.
    public let files: [FileInfo]
    /// Rows of all files.
    public let count: Int
    private let rowFiles: [RowFile]
    /// The number of the first row of each file.
    private let firstRows: [Int]
    private let builder: ExampleBuilder

    /// Maps the files, finds their rows, and decides each file's kind. Without a template only rows that need none can be
    /// read.
    /// - Throws: `DatasetError` for a file that is missing, empty, not JSONL, of unknown form, or that needs what the
    ///   model or the options do not give; errors of the tokenizer.
    public init(files paths: [String], options: DataOptions, tokenizer: Tokenizer, template: ChatTemplate?) throws {
        try self.init(
            files: paths, builder: ExampleBuilder(tokenizer: tokenizer, template: template, options: options))
    }

    init(files paths: [String], builder: ExampleBuilder) throws {
        let options = builder.options
        guard !paths.isEmpty else { throw DatasetError(reason: "no data file is given") }
        var infos: [FileInfo] = []
        var rowFiles: [RowFile] = []
        var firstRows: [Int] = []
        var count = 0
        for path in paths {
            let file = try RowFile(path: path)
            let kind: DataKind
            do { kind = try DataKind(of: file.object(0), options: options) } catch let error as RowError {
                throw file.failure(0, error.reason)
            }
            let trainOn = options.trainOn ?? kind.defaultTrainOn
            let objection = Self.objection(
                kind, trainOn: trainOn, hasTemplate: builder.renderer != nil, hasEOS: builder.encoder.eos != nil)
            if let reason = objection {
                throw DatasetError(file: path, reason: reason)
            }
            infos.append(FileInfo(path: path, kind: kind, rows: file.count, trainOn: trainOn))
            rowFiles.append(file)
            firstRows.append(count)
            count += file.count
        }
        files = infos
        self.rowFiles = rowFiles
        self.firstRows = firstRows
        self.count = count
        self.builder = builder
    }

    /// Tokenizes rows for their sizes and keeps nothing else. Rows do not depend on each other, so ranks share them.
    /// The number of threads that share the work changes nothing in the result. Each example is labelled with the longest of the
    /// prefixes that it begins with. `tick` is called as work goes on.
    /// - Throws: the error of the first row that has one; a `DatasetError` with file and line if the row is to blame.
    public func measure(
        _ rows: Range<Int>, prefixes: SharedPrefixes = .none, threads: Int = 1,
        tick: @escaping @Sendable () -> Void = {}
    ) throws -> [ExampleSize] {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows outside the data set")
        guard threads > 1, rows.count > 64 else {
            return try rows.map {
                tick()
                return try size($0, prefixes)
            }
        }
        let chunkSize = 64
        let chunks = (rows.count + chunkSize - 1) / chunkSize
        let results = Mutex<[Result<[ExampleSize], any Error>?]>(Array(repeating: nil, count: chunks))
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while true {
                let chunk = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard chunk < chunks else { return }
                tick()
                let start = rows.lowerBound + chunk * chunkSize
                let chunkRows = start..<min(start + chunkSize, rows.upperBound)
                let result = Result { try chunkRows.map { try size($0, prefixes) } }
                results.withLock { $0[chunk] = result }
            }
        }
        return try results.withLock { try $0.flatMap { try $0?.get() ?? [] } }
    }

    /// What many examples begin with, judged by a sample of rows spread evenly over all: the same on every rank. Rows that have an
    /// error are passed over, as `measure` tells of them.
    public func sharedPrefixes() -> SharedPrefixes {
        let taken = min(count, SharedPrefixes.sampledRows)
        return SharedPrefixes(
            sample: (0..<taken).compactMap { index in
                guard let row = try? finished(index * count / taken), row.size.drop == nil else { return nil }
                return row.example.tokens
            })
    }

    private func size(_ row: Int, _ prefixes: SharedPrefixes) throws -> ExampleSize {
        var (example, size) = try finished(row)
        size.prefix = prefixes.label(example.tokens)
        return size
    }

    /// The tokens and labels of a row, cut to `maxLength`. A row whose size says that it is dropped gives an example too:
    /// it is for the caller to leave it out.
    /// - Throws: as `measure`.
    public func example(_ row: Int) throws -> Example { try finished(row).example }

    /// Where a row comes from: its file and its line, from 1.
    public func origin(_ row: Int) -> (file: String, line: Int) {
        let (file, row) = place(row)
        return (rowFiles[file].path, rowFiles[file].line(row))
    }

    private func finished(_ row: Int) throws -> (example: Example, size: ExampleSize) {
        let (index, row) = place(row)
        let file = rowFiles[index]
        let object = try file.object(row)
        do {
            let record = try Record(object, kind: files[index].kind, options: builder.options)
            return try builder.finished(builder.example(record, trainOn: files[index].trainOn))
        } catch let error as RowError {
            throw file.failure(row, error.reason)
        } catch {
            throw file.failure(row, "\(error)")
        }
    }

    /// The file of a row and the row's number in it.
    private func place(_ row: Int) -> (file: Int, row: Int) {
        precondition(row >= 0 && row < count, "row outside the data set")
        let file = firstRows.partitioningIndex { $0 > row } - 1
        return (file, row - firstRows[file])
    }

    /// What is wrong with training rows of this kind in this way, if anything.
    private static func objection(_ kind: DataKind, trainOn: TrainOn, hasTemplate: Bool, hasEOS: Bool) -> String? {
        switch (kind, trainOn) {
        case (.messages, .completion), (.conversations, .completion):
            return "train_on: completion needs prompt + completion or instruction + output rows; these are "
                + "\(kind.name): use assistant, last_assistant or all"
        case (.text, .assistant), (.text, .lastAssistant), (.text, .completion):
            return "train_on: \(trainOn.rawValue) has no meaning for text rows: use all, or leave train_on out"
        default: break
        }
        if kind.isChat, !hasTemplate {
            return "the rows (\(kind.name)) need a chat template, and the model has none; name one: "
                + "data.chat_template: FILE"
        }
        if !kind.isChat, !hasEOS {
            return "the rows (\(kind.name)) are to end with the end-of-sequence token, and the tokenizer has none"
        }
        return nil
    }
}
