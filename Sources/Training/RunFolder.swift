import Foundation

/// The folder that a run writes into, before the run begins.
public struct RunFolder: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// What a run leaves behind.
    public static let resultNames = ["adapter", "checkpoints", "config.yaml", "metrics.jsonl", "status.json"]

    /// The results of a run that are in the folder.
    public var results: [String] {
        Self.resultNames.filter { FileManager.default.fileExists(atPath: "\(path)/\($0)") }
    }

    /// Tries whether the folder can be made and written, and leaves nothing behind.
    /// - Throws: `InputError` if it cannot.
    public func checkWritable() throws {
        var parent = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        var isFolder = false
        while !exists(parent, isFolder: &isFolder) { parent = (parent as NSString).deletingLastPathComponent }
        guard isFolder else {
            throw InputError(path, reason: "the output folder cannot be made: \(parent) is a file; change output.dir")
        }
        let probe = "\(parent)/.lora-dist-\(ProcessInfo.processInfo.processIdentifier)"
        do {
            try FileManager.default.createDirectory(atPath: probe, withIntermediateDirectories: false)
            try FileManager.default.removeItem(atPath: probe)
        } catch {
            throw InputError(
                path, reason: "the output folder cannot be written: no new folder can be made in \(parent)")
        }
    }

    private func exists(_ path: String, isFolder: inout Bool) -> Bool {
        isFolder = (try? FileManager.default.contentsOfDirectory(atPath: path)) != nil
        return isFolder || FileManager.default.fileExists(atPath: path)
    }
}
