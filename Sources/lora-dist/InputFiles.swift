import Foundation
import Training

/// Looks at the files that a config names before any rank waits for another.
enum InputFiles {
    /// - Throws: `InputError` for a file that is not there or has nothing in it.
    static func checkModel(_ config: RunConfig) throws {
        guard let path = config.model.path else { return }
        try checkModel(at: path, named: "model.path")
    }

    /// - Parameters:
    ///   - path: a Hugging Face folder or a GGUF file.
    ///   - name: the key or argument that gives it.
    /// - Throws: `InputError` for what is not there or no model.
    static func checkModel(at path: String, named name: String) throws {
        guard exists(path) else {
            throw InputError(path, reason: "no such file or folder (\(name): a Hugging Face folder or a GGUF file)")
        }
        if isFolder(path), !exists("\(path)/config.json") {
            throw InputError(path, reason: "there is no config.json in this folder, expected a Hugging Face model")
        }
    }

    /// - Throws: `InputError` for a folder without an adapter.
    static func checkAdapter(_ path: String?) throws {
        guard let path else { return }
        guard exists(path) else { throw InputError(path, reason: "no such folder, expected a PEFT adapter") }
        for name in ["adapter_config.json", "adapter_model.safetensors"] where !exists("\(path)/\(name)") {
            throw InputError(path, reason: "there is no \(name) in this folder, expected a PEFT adapter")
        }
    }

    /// - Parameters:
    ///   - paths: the files.
    ///   - key: the key or option that names them.
    /// - Throws: `InputError` for a file that is not there or has nothing in it.
    static func checkData(_ paths: [String], key: String) throws {
        for path in paths {
            guard exists(path) else { throw InputError(path, reason: "no such file (\(key))") }
            guard !isFolder(path) else { throw InputError(path, reason: "a folder, expected a JSONL file (\(key))") }
            let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            if size == 0 { throw InputError(path, reason: "the file is empty (\(key))") }
        }
    }

    /// Looks at everything that training reads.
    /// - Throws: `InputError`.
    static func checkTraining(_ config: RunConfig) throws {
        try checkModel(config)
        try checkAdapter(config.lora.initAdapter)
        try checkData(config.data.train, key: "data.train")
        try checkData(config.data.eval, key: "data.eval")
        try checkData(config.data.chatTemplate.map { [$0] } ?? [], key: "data.chat_template")
    }

    /// Looks at the folder that training writes.
    /// - Throws: `ConfigError` if results are in it and may not be removed; `InputError` if it cannot be written.
    static func checkOutput(_ config: RunConfig, mayHoldResults: Bool) throws {
        guard let path = config.output.dir else { return }
        let folder = RunFolder(path)
        if !mayHoldResults, let result = folder.results.first {
            throw ConfigError(
                key: "output.dir",
                reason:
                    "\(path) holds the results of a run (\(result)); give --resume auto to go on with it, --overwrite, or "
                    + "another folder")
        }
        try folder.checkWritable()
    }

    private static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private static func isFolder(_ path: String) -> Bool {
        (try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType) == .typeDirectory
            || FileManager.default.fileExists(atPath: path + "/.")
    }
}
