import Foundation
import LoRA

/// The folder of a run: config.yaml, metrics.jsonl, adapter/. Only rank 0 has one.
struct RunFolder {
    let path: String
    let metrics: MetricsFile
    var adapterPath: String { path + "/adapter" }

    /// What a run leaves behind and another must not overwrite unasked.
    private static let results = ["adapter", "metrics.jsonl", "config.yaml"]

    /// Makes the folder, or takes one that holds no results.
    /// - Throws: `ConfigError` if it holds some and `overwrite` is not given, `InputError` if it cannot be written.
    init(_ path: String, overwrite: Bool, configText: String) throws {
        self.path = path
        let files = FileManager.default
        let found = Self.results.filter { files.fileExists(atPath: path + "/" + $0) }
        if !found.isEmpty, !overwrite {
            throw ConfigError(
                key: "output.dir",
                reason: "\(path) holds the results of a run (\(found.joined(separator: ", "))); choose another folder, or "
                    + "give --overwrite to replace them")
        }
        do {
            try files.createDirectory(atPath: path, withIntermediateDirectories: true)
            for name in found { try files.removeItem(atPath: path + "/" + name) }
            try Data(configText.utf8).write(to: URL(filePath: path + "/config.yaml"), options: .atomic)
        } catch {
            throw InputError(path, reason: "the output folder cannot be written: \(error.localizedDescription)")
        }
        metrics = try MetricsFile(path: path + "/metrics.jsonl")
    }

    /// Writes the adapter as PEFT does, with the base's tokenizer files.
    func saveAdapter(_ adapter: Adapter, _ session: Session) throws {
        try PEFTFolder.write(
            adapter.namedTensors, config: session.adapterConfig!, to: adapterPath, copying: session.tokenizer.filesToCopy)
    }
}
