import Foundation
import WeightFiles

/// A checkpoint on the disk: `checkpoints/step-N` in a run's folder.
///
/// It is a PEFT folder (`adapter_config.json`, `adapter_model.safetensors`) with `moments.safetensors`, `best.safetensors` where
/// the best adapter is to be kept, `initial.safetensors` where PiSSA has begun with what is not trained, `state.json`, `config.yaml`, `metrics.jsonl`, and `SHA256SUMS` over all of them, as `sha256sum`
/// writes and checks it.
struct CheckpointFolder: Equatable {
    let path: String
    /// Steps that were done.
    let steps: Int

    static let sumsName = "SHA256SUMS", stateName = "state.json", momentsName = "moments.safetensors",
        bestName = "best.safetensors", configName = "config.yaml", metricsName = "metrics.jsonl"

    /// The checkpoint at a path that the user gives, whatever its name.
    init(path: String) {
        self.path = path
        steps = Self.steps(of: (path as NSString).lastPathComponent) ?? 0
    }

    private init(parent: String, steps: Int) {
        path = "\(parent)/step-\(steps)"
        self.steps = steps
    }

    /// The place of the checkpoint after so many steps, in a folder of checkpoints.
    static func after(_ steps: Int, in parent: String) -> CheckpointFolder {
        CheckpointFolder(parent: parent, steps: steps)
    }

    /// Where it is written before it gets its name.
    var temporaryPath: String { "\((path as NSString).deletingLastPathComponent)/.step-\(steps).partial" }

    /// The steps in a name such as `step-120`; nil for other names, which are not checkpoints.
    private static func steps(of name: String) -> Int? {
        guard name.hasPrefix("step-"), let steps = Int(name.dropFirst(5)), "step-\(steps)" == name, steps >= 0
        else { return nil }
        return steps
    }

    /// The checkpoints of a folder, the newest first.
    static func all(in parent: String) -> [CheckpointFolder] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        return names.compactMap(steps).sorted(by: >).map { CheckpointFolder(parent: parent, steps: $0) }
    }

    /// Removes what interrupted writers and removers have left. The caller must hold the run's lock.
    static func removeLeftovers(in parent: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        for name in names where name.hasPrefix(".step-") {
            try? FileManager.default.removeItem(atPath: "\(parent)/\(name)")
        }
    }

    /// Takes the checkpoint away: at first its name, at once, so that no half of it is ever seen.
    func remove() throws {
        let parent = (path as NSString).deletingLastPathComponent
        let gone = "\(parent)/.step-\(steps).removed"
        try? FileManager.default.removeItem(atPath: gone)
        try FileSystem.rename(path, to: gone)
        try FileManager.default.removeItem(atPath: gone)
    }

    /// Sets a checkpoint aside, under a name that is none of a checkpoint's: another is to have its place.
    /// - Returns: the new name, without the folder.
    @discardableResult
    func setAside() throws -> String {
        var number = 1
        while FileSystem.exists("\(path).old-\(number)") { number += 1 }
        try FileSystem.rename(path, to: "\(path).old-\(number)")
        return "\((path as NSString).lastPathComponent).old-\(number)"
    }

    /// Whether it is there, and every file as it was written.
    var isWhole: Bool { FileSystem.exists(path) && (try? verify()) != nil }

    /// Reads every file and compares it with its sum.
    /// - Throws: `InputError` that names the first file that is missing or not as it was written.
    func verify() throws {
        guard let bytes = try? FileSystem.read("\(path)/\(Self.sumsName)"), bytes.count < 1 << 20 else {
            throw InputError(path, reason: "not a whole checkpoint: \(Self.sumsName) is missing or cannot be read")
        }
        var names: Set<String> = []
        for (index, line) in String(decoding: bytes, as: UTF8.self).split(separator: "\n").enumerated() {
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard parts.count == 2, parts[0].count == 64, !parts[1].contains("/") else {
                throw InputError("\(path)/\(Self.sumsName)", line: index + 1, reason: "not a sum and a file's name")
            }
            let name = parts[1].trimmingCharacters(in: .whitespaces)
            guard FileSystem.exists("\(path)/\(name)") else {
                throw InputError("\(path)/\(name)", reason: "is missing: the checkpoint is not whole")
            }
            guard try Digest.ofFile("\(path)/\(name)") == parts[0] else {
                throw InputError(
                    "\(path)/\(name)", reason: "is not as it was written (its SHA-256 is not that in \(Self.sumsName))")
            }
            names.insert(name)
        }
        let needed = [
            Self.stateName, Self.momentsName, Self.configName, Self.metricsName, "adapter_config.json",
            "adapter_model.safetensors",
        ]
        if let missing = needed.first(where: { !names.contains($0) }) {
            throw InputError(
                "\(path)/\(Self.sumsName)", reason: "has no sum of \(missing): the checkpoint is not whole")
        }
    }
}
