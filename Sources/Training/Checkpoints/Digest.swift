import Crypto
import Foundation
import WeightFiles

/// SHA-256 sums as hexadecimal text.
enum Digest {
    /// Of a text.
    static func of(_ text: String) -> String { hex(SHA256.hash(data: Data(text.utf8))) }

    /// Of a whole file.
    /// - Parameters:
    ///   - path: the file.
    ///   - tick: called after each piece.
    /// - Returns: the sum.
    /// - Throws: `WeightFileError` if it cannot be read.
    static func ofFile(_ path: String, tick: () -> Void = {}) throws -> String {
        let sum = RunningDigest()
        try unsafe FileSystem.read(path) {
            unsafe sum.add($0)
            tick()
        }
        return sum.text
    }

    /// Of several files, whatever their names: of the sums of each, in their order.
    /// - Throws: `WeightFileError` if one cannot be read.
    static func ofFiles(_ paths: [String], tick: () -> Void = {}) throws -> String {
        of(try paths.map { try ofFile($0, tick: tick) }.joined(separator: "\n"))
    }

    fileprivate static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }.joined()
    }
}

/// A SHA-256 sum of bytes that come one after the other.
final class RunningDigest {
    private var sum = SHA256()

    func add(_ bytes: UnsafeRawBufferPointer) { unsafe sum.update(bufferPointer: bytes) }

    /// Adds a text and a line's end.
    func add(_ text: String) { sum.update(data: Data((text + "\n").utf8)) }

    /// The sum of all bytes so far.
    var text: String { Digest.hex(sum.finalize()) }
}
