import ArgumentParser
import Foundation
import JSONText
import Training

/// The options by which every command gets its config.
struct ConfigOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The config: YAML with sections model, lora, data, training, output.", valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Sets one key, whatever the config says; as often as needed.", valueName: "section.key=value"))
    var set: [String] = []

    /// Most bytes of a config file.
    private static let mostBytes = 1 << 20

    /// Reads the config file, if one is given, then --set in the order given, then the command's own options.
    /// - Parameters:
    ///   - needs: the keys that the command cannot do without.
    ///   - overrides: the command's own options that stand for keys: option, key, value; nil for one not given.
    /// - Returns: the config, checked.
    /// - Throws: `ConfigError` for the first thing that is wrong.
    func load(
        needs: [RunConfig.Need], overrides: [(option: String, key: String, value: JSON?)] = []
    ) throws -> RunConfig {
        var config = try self.config.map { try Self.read(expandingHome($0)) } ?? ConfigTree()
        for assignment in set { try Self.apply(assignment, to: &config) }
        for (option, key, value) in overrides {
            guard let value else { continue }
            config.set(key.split(separator: ".").map(String.init), to: value, origin: option)
        }
        return try RunConfig(tree: config.tree, origins: config.origins, needs: needs)
    }

    private static func read(_ file: String) throws -> ConfigTree {
        guard FileManager.default.fileExists(atPath: file) else {
            throw ConfigError(reason: "no such file", origin: file)
        }
        guard let handle = FileHandle(forReadingAtPath: file),
            let data = try? handle.read(upToCount: mostBytes + 1) ?? Data()
        else { throw ConfigError(reason: "not a file that can be read", origin: file) }
        guard data.count <= mostBytes else {
            throw ConfigError(reason: "more than \(mostBytes) bytes, expected a config", origin: file)
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigError(reason: "not UTF-8 text, expected a config", origin: file)
        }
        return try ConfigTree(yaml: text, file: file)
    }

    private static func apply(_ assignment: String, to config: inout ConfigTree) throws {
        let origin = "--set \(assignment)"
        guard let sign = assignment.firstIndex(of: "=") else {
            throw ConfigError(reason: "found no '=', expected section.key=value", origin: origin)
        }
        let keys = assignment[..<sign].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !keys.contains("") else {
            throw ConfigError(reason: "found a key without a name, expected section.key=value", origin: origin)
        }
        let value = try ConfigTree.value(String(assignment[assignment.index(after: sign)...]), origin: origin)
        config.set(keys, to: value, origin: origin)
    }
}

/// The option of every command that computes.
struct ThreadOptions: ParsableArguments {
    @Option(help: "Threads of each rank. (default: the node's cores shared between its ranks)")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads: found \(threads), expected a whole number from 1 to 1024")
        }
    }
}
