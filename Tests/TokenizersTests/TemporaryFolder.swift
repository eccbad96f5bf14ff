import Foundation
import Testing

/// A folder that is removed with the value that names it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "tokenizers-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    /// With the `tokenizer.json` of a fixture.
    convenience init(copying family: String) throws {
        try self.init()
        try FileManager.default.copyItem(
            atPath: "\(Reference.folder)/\(family)/tokenizer.json", toPath: "\(path)/tokenizer.json")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
}
