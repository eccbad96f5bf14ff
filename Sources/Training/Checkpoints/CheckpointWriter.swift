import Foundation
import JSONText
import LoRA
import Synchronization
import Tensors
import WeightFiles

/// Writes checkpoints in a thread of its own, from the live slabs, while the next step computes: nothing is copied. The slabs must
/// stay as they are until `finish` has returned.
final class CheckpointWriter: Sendable {
    /// All that goes into a checkpoint.
    struct Content: Sendable {
        let folder: CheckpointFolder
        let adapterConfig: AdapterConfig
        /// Paths of the modules that are adapted.
        let modules: [String]
        let values: ParameterSlab, m: ParameterSlab, v: ParameterSlab
        /// The adapter of the best evaluation, as `ParameterSlab.bytes`; empty if it is not kept.
        let best: [UInt8]
        /// What PiSSA began with.
        var initial: ParameterSlab?
        var state: CheckpointState
        let configText: String
        /// The run's metrics, of which so many bytes belong to the checkpoint.
        let metricsPath: String, metricsBytes: Int
        /// Lines that belong there too and could not be written.
        let waitingMetrics: Data
        /// Paths of the tokenizer's files, to be copied.
        let copied: [String]
        /// Called as work goes on.
        let tick: @Sendable () -> Void
    }

    /// What has been written and has not got its name.
    private final class Job: Sendable {
        let content: Content
        let ended = DispatchSemaphore(value: 0)
        let error = Mutex<(any Error)?>(nil)
        init(_ content: Content) { self.content = content }
    }

    private let job = Mutex<Job?>(nil)

    /// Begins to write. The one before must have been finished.
    func start(_ content: Content) {
        let new = Job(content)
        job.withLock {
            precondition($0 == nil, "one checkpoint at a time")
            $0 = new
        }
        let thread = Thread {
            do { try Self.write(content, to: content.folder.temporaryPath) } catch { new.error.withLock { $0 = error } }
            new.ended.signal()
        }
        thread.name = "checkpoint"
        thread.start()
    }

    /// Whether a checkpoint has been started and not finished.
    var isBusy: Bool { job.withLock { $0 != nil } }

    /// Waits until everything is on the disk, and gives the checkpoint its name if `isGood`; else it goes away.
    /// - Returns: the checkpoint; nil if there is none to finish, or it was not good.
    /// - Throws: why it could not be written; nothing of it is left then.
    func finish(isGood: Bool = true) throws -> CheckpointFolder? {
        guard let job = job.withLock({ $0 }) else { return nil }
        job.ended.wait()
        self.job.withLock { $0 = nil }
        let temporary = job.content.folder.temporaryPath
        let folder = job.content.folder
        let error = job.error.withLock { $0 }
        guard isGood, error == nil else {
            try? FileManager.default.removeItem(atPath: temporary)
            if let error { throw error }
            return nil
        }
        try Self.publish(temporary, as: folder)
        return folder
    }

    /// Writes a checkpoint and gives it its name, in the caller's thread, unless there is one of this name.
    /// - Parameters:
    ///   - content: all that goes into it.
    ///   - suffix: of the temporary name, so that no other writer has the same.
    /// - Throws: why it could not be written.
    static func save(_ content: Content, suffix: String) throws {
        guard !FileSystem.exists(content.folder.path) else { return }
        let temporary = content.folder.temporaryPath + suffix
        do {
            try write(content, to: temporary)
            try publish(temporary, as: content.folder)
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw error
        }
    }

    private static func publish(_ temporary: String, as folder: CheckpointFolder) throws {
        if FileSystem.exists(folder.path) { try folder.setAside() }
        try FileSystem.rename(temporary, to: folder.path)
        try FileSystem.flushFolder((folder.path as NSString).deletingLastPathComponent)
    }

    private static func write(_ content: Content, to path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        var sums: [(name: String, sum: String)] = []
        func write(_ bytes: [UInt8], _ name: String) throws {
            let sum = RunningDigest()
            let file = try unsafe DurableFile(path: "\(path)/\(name)") {
                unsafe sum.add($0)
                content.tick()
            }
            try file.write(bytes)
            try file.finish()
            sums.append((name, sum.text))
        }
        func write(_ sources: [SafetensorsWriter.Source], _ name: String) throws {
            let sum = RunningDigest()
            try unsafe SafetensorsWriter().write(
                to: "\(path)/\(name)", sources: sources, metadata: ["format": "pt"]
            ) {
                unsafe sum.add($0)
                content.tick()
            }
            sums.append((name, sum.text))
        }
        let names = content.values.layout.entries.map { Adapter.peftPrefix + $0.name }
        try write(Array(content.adapterConfig.json(modules: content.modules).utf8), PEFTFolder.configName)
        try write(sources(names, content.values), PEFTFolder.weightsName)
        try write(
            sources(names.map { "m." + $0 }, content.m) + sources(names.map { "v." + $0 }, content.v),
            CheckpointFolder.momentsName)
        if !content.best.isEmpty {
            try write(sources(names, content.best, content.values.layout), CheckpointFolder.bestName)
        }
        if let initial = content.initial {
            try write(sources(names, initial), PEFTFolder.initialName)
        }
        for file in content.copied {
            try write(try FileSystem.read(file) ?? [], (file as NSString).lastPathComponent)
        }
        let metrics = try FileSystem.read(content.metricsPath) ?? []
        try write(Array(metrics.prefix(content.metricsBytes)) + content.waitingMetrics, CheckpointFolder.metricsName)
        try write(Array(content.configText.utf8), CheckpointFolder.configName)
        try write(Array((content.state.json.text(indent: 1) + "\n").utf8), CheckpointFolder.stateName)
        let lines = sums.map { "\($0.sum)  \($0.name)\n" }.joined()
        try FileSystem.write(Array(lines.utf8), to: "\(path)/\(CheckpointFolder.sumsName)")
        try FileSystem.flushFolder(path)
    }

    private static func sources(
        _ names: [String], _ bytes: [UInt8], _ layout: ParameterLayout
    ) -> [SafetensorsWriter.Source] {
        layout.entries.indices.map { index in
            let entry = layout.entries[index]
            let range = 4 * entry.offset..<4 * (entry.offset + entry.count)
            return unsafe SafetensorsWriter.Source(name: names[index], shape: Adapter.shape(of: entry)) { body in
                try unsafe bytes.withUnsafeBytes { try unsafe body(UnsafeRawBufferPointer(rebasing: $0[range])) }
            }
        }
    }

    private static func sources(_ names: [String], _ slab: ParameterSlab) -> [SafetensorsWriter.Source] {
        slab.layout.entries.indices.map { index in
            let entry = slab.layout.entries[index]
            return unsafe SafetensorsWriter.Source(name: names[index], shape: Adapter.shape(of: entry)) { body in
                try unsafe slab.withBytes(entry: index, body)
            }
        }
    }
}
