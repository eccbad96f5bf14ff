import Foundation
import LoRA
import Models
import Tokenizers

/// What a run writes into its folder: config.yaml, metrics.jsonl, adapter/. Only rank 0 has this.
struct RunResults {
    let metrics: MetricsFile
    let adapterPath: String

    /// Takes the run's folder.
    /// - Throws: `ConfigError` if it holds results of another run and `overwrite` is not given, `InputError` if it cannot be
    ///   written.
    init(_ folder: RunFolder, overwrite: Bool, configText: String) throws {
        let files = FileManager.default
        let found = folder.results
        if !found.isEmpty, !overwrite {
            throw ConfigError(
                key: "output.dir",
                reason: "\(folder.path) holds the results of a run (\(found.joined(separator: ", "))); choose another "
                    + "folder, or give --overwrite to replace them")
        }
        do {
            try files.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
            for name in found { try files.removeItem(atPath: folder.path + "/" + name) }
            try Data(configText.utf8).write(to: URL(filePath: folder.path + "/config.yaml"), options: .atomic)
        } catch {
            throw InputError(folder.path, reason: "the output folder cannot be written: \(error.localizedDescription)")
        }
        metrics = try MetricsFile(path: folder.path + "/metrics.jsonl")
        adapterPath = folder.path + "/adapter"
    }

    /// Writes the adapter as PEFT does, with the base's tokenizer files.
    func saveAdapter(_ adapter: Adapter, _ session: Session) throws {
        let folder = try PEFTFolder(config: session.adapterConfig!, tensors: adapter.namedTensors)
        try folder.write(
            to: adapterPath, copying: session.tokenizer.filesToCopy.map { "\(session.base.path)/\($0)" })
    }
}
