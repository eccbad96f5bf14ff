import Foundation
import WeightFiles

/// A run's folder, taken for one run: locked, with the checkpoint to go on from. Only rank 0 has this.
final class RunClaim {
    let folder: RunFolder
    /// The checkpoint to go on from; nil for a run that begins.
    let checkpoint: CheckpointReader?
    /// What the user should know.
    private(set) var warnings: [String] = []
    private let lock: RunLock
    private let found: [String]
    private let overwrites: Bool

    var checkpointsPath: String { folder.path + "/checkpoints" }

    /// Locks the folder, which is made if it is not there, and looks for the checkpoint.
    /// - Throws: `ConfigError` if another run has it, or it holds results that are neither to be replaced nor to be gone on from;
    ///   `InputError` if the folder cannot be made, or the checkpoint asked for is not whole.
    init(_ folder: RunFolder, options: RunOptions) throws {
        self.folder = folder
        overwrites = options.overwrite
        do {
            try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        } catch {
            throw InputError(folder.path, reason: "the output folder cannot be written: \(error.localizedDescription)")
        }
        var stale: String?
        lock = try RunLock(folder: folder.path, stale: &stale)
        if let stale {
            warnings.append("the lock of an earlier run is taken over (\(stale)); that run did not end in order")
        }
        found = folder.results
        let checkpoints = folder.path + "/checkpoints"
        CheckpointFolder.removeLeftovers(in: checkpoints)
        switch options.resume {
        case nil:
            checkpoint = nil
            try Self.refuse(found, folder, unless: overwrites)
        case .path(let path):
            checkpoint = try CheckpointReader(CheckpointFolder(path: path))
            let parent = URL(filePath: path).standardizedFileURL.deletingLastPathComponent()
            if parent.path != URL(filePath: checkpoints).standardizedFileURL.path {
                try Self.refuse(found, folder, unless: overwrites)
            }
        case .auto:
            var newest: CheckpointReader?
            for candidate in CheckpointFolder.all(in: checkpoints) where newest == nil {
                do { try candidate.verify() } catch {
                    warnings.append("a broken checkpoint is passed over: \(error)")
                    continue
                }
                newest = try CheckpointReader(verified: candidate)
            }
            checkpoint = newest
            if newest == nil, found.contains("adapter") {
                throw ConfigError(
                    key: "output.dir",
                    reason: "\(folder.path) holds the adapter of a run and no whole checkpoint to go on from; give "
                        + "--overwrite or another folder")
            }
            if newest == nil, found.contains("checkpoints"), !warnings.isEmpty {
                warnings.append("no checkpoint of \(folder.path) is whole: the run begins anew")
            }
        }
    }

    private static func refuse(_ found: [String], _ folder: RunFolder, unless overwrites: Bool) throws {
        guard !found.isEmpty, !overwrites else { return }
        throw ConfigError(
            key: "output.dir",
            reason:
                "\(folder.path) holds the results of a run (\(found.joined(separator: ", "))); give --resume auto to go "
                + "on with it, --overwrite to replace them, or another folder")
    }

    /// Makes the folder ready to be written: removes what is to be replaced, puts back the metrics of the checkpoint, and sets aside
    /// the checkpoints beyond it, which are not of the run that goes on.
    /// - Throws: `InputError` if it cannot be written.
    func prepare(configText: String, ranks: Int) throws -> RunResults {
        let files = FileManager.default
        let metrics = folder.path + "/metrics.jsonl"
        do {
            if overwrites { for name in found { try files.removeItem(atPath: folder.path + "/" + name) } }
            try files.createDirectory(atPath: checkpointsPath, withIntermediateDirectories: true)
            for later in CheckpointFolder.all(in: checkpointsPath)
            where later.steps > checkpoint?.state.progress.steps ?? -1 {
                warnings.append("\(later.path) is not of the run that goes on: it is now \(try later.setAside())")
            }
            if let checkpoint {
                let saved = "\(checkpoint.folder.path)/\(CheckpointFolder.metricsName)"
                try FileSystem.write(try FileSystem.read(saved) ?? [], to: metrics + ".partial")
                try FileSystem.rename(metrics + ".partial", to: metrics)
            } else if FileSystem.exists(metrics) {
                var number = 1
                while FileSystem.exists("\(folder.path)/metrics-\(number).jsonl") { number += 1 }
                try FileSystem.rename(metrics, to: "\(folder.path)/metrics-\(number).jsonl")
            }
            try Data(configText.utf8).write(to: URL(filePath: folder.path + "/config.yaml"), options: .atomic)
        } catch let error as WeightFileError {
            throw error
        } catch {
            throw InputError(folder.path, reason: "the output folder cannot be written: \(error.localizedDescription)")
        }
        return RunResults(
            metrics: try MetricsFile(path: metrics),
            status: StatusFile(path: folder.path + "/status.json", ranks: ranks),
            adapterPath: folder.path + "/adapter", checkpointsPath: checkpointsPath)
    }

    /// Gives the folder back.
    func release() { lock.release() }
}
