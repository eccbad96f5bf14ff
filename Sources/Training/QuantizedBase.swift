import Collectives
import Foundation
import Models
import Tensors
import WeightFiles

/// Opens the base model that a config names. Where `model.quantization` asks for it, its linear maps come from a file of the cache,
/// which is made first if it is not there or not whole: once on each node that lacks it, by all of its ranks.
/// - Parameters:
///   - config: with `model.path`.
///   - world: the ranks; each calls this.
///   - report: told, on rank 0, that the file is being made.
/// - Returns: the model.
/// - Throws: a `SharedError` where all ranks fail together.
func openBase(
    _ config: RunConfig, _ world: Communicator, report: (TrainingEvent) throws -> Void = { _ in }
) throws -> BaseModel {
    let base = try world.together { try BaseModel(path: config.model.path!) }
    guard config.model.quantization == .nf4 else { return base }
    try world.together { try refuseToQuantizeAgain(base) }
    // The name is that of samples of the base, which one rank of a node takes.
    let named = try world.together { world.localRank == 0 ? try quantizedPath(base) : "" }
    let path = String(decoding: try world.broadcastOnNode(Array(named.utf8)), as: UTF8.self)
    // A node's first rank looks for all of them, whatever they call their hosts.
    let own = world.localRank == 0 && isWhole(path, world) && (try? base.replacingLinears(from: path)) != nil
    let isThere = try world.broadcastOnNode([own])[0]
    if try world.allGather([isThere]).contains([false]) {
        if world.rank == 0 { try report(.note("quantising the base to NF4, once, into \(path)")) }
        try makeQuantized(base, path, needs: !isThere, threads: config.training.threads, world)
    }
    return try world.together { try base.replacingLinears(from: path) }
}

/// Where the quantised linear maps of a base are kept; the folder is made if it is not there.
/// - Throws: `InputError` if it cannot be made, `WeightFileError` if the base cannot be read.
private func quantizedPath(_ base: BaseModel) throws -> String {
    let folder = cacheFolder + "/nf4"
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
        throw InputError(
            folder,
            reason:
                "the folder for quantised weights cannot be made: \(error.localizedDescription) Set LORA_DIST_CACHE to one that can"
        )
    }
    return "\(folder)/\(try BaseDigest.ofLinears(base).prefix(32)).safetensors"
}

/// Whether a file of the cache holds what was written to it, by the sum that lies beside it: it is read where it has changed since it
/// was last summed up.
private func isWhole(_ path: String, _ world: Communicator) -> Bool {
    guard let told = try? FileSystem.read(path + sumSuffix) else { return false }
    return (try? DigestCache.sum(of: path, tick: world.board.tick)).map { told.elementsEqual($0.utf8) } ?? false
}

/// What the file with a quantised base's SHA-256 is called after.
private let sumSuffix = ".sha256"

/// - Throws: `ConfigError` for a base that is quantised already.
func refuseToQuantizeAgain(_ base: BaseModel) throws {
    if let (name, format) = base.quantized {
        throw ConfigError(
            key: "model.quantization",
            reason:
                "\(base.path) is quantised already (\(name) is \(format)); remove the key to use it as it is, or make a "
                + "model of it with lora-dist quantize --requantize")
    }
}

/// Where files are kept that can be made again: `LORA_DIST_CACHE`, or a folder of the home.
var cacheFolder: String {
    ProcessInfo.processInfo.environment["LORA_DIST_CACHE"] ?? NSHomeDirectory() + "/.cache/lora-dist"
}

/// Writes the file under a temporary name and renames it when all ranks of the node are done. Every rank calls this; `needs` tells
/// those of nodes that make it.
private func makeQuantized(
    _ base: BaseModel, _ path: String, needs: Bool, threads: Int?, _ world: Communicator
) throws {
    let workers = Workers(count: try world.threads(requested: threads))
    defer { workers.stop() }
    let tick = world.board.tick
    workers.onJob = { tick() }
    let file = ModelFile(base.linearItems(.nf4))
    // Of this node's first rank: nodes, and other runs, may share the folder.
    let writer = try world.broadcastOnNode(Array("\(world.hostName)-\(getpid())-\(world.rank)".utf8))
    let partial = "\(path).\(String(decoding: writer, as: UTF8.self)).partial"
    let isFirst = world.localRank == 0
    if isFirst { removeLeftovers(beside: path) }
    do {
        try world.together {
            if needs, isFirst { _ = try PlacedFile(path: partial, byteCount: file.layout.byteCount) }
        }
        try world.together {
            guard needs else { return }
            let output = try PlacedFile(path: partial)
            try file.write(to: output, part: world.localRank, of: world.localSize, on: workers)
            try output.finish()
        }
        try world.together {
            guard needs, isFirst else { return }
            try FileSystem.write(Array(DigestCache.sum(of: partial, tick: tick).utf8), to: path + sumSuffix)
            try FileSystem.rename(partial, to: path)
        }
    } catch {
        if isFirst { unsafe unlink(partial) }
        throw error
    }
}

/// Removes what was begun and never finished: a file that is being written changes all the time.
private func removeLeftovers(beside path: String) {
    let folder = (path as NSString).deletingLastPathComponent
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".partial") {
        let date = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.modificationDate] as? Date
        guard let date, date.timeIntervalSinceNow < -3600 else { continue }
        unsafe unlink("\(folder)/\(name)")
    }
}
