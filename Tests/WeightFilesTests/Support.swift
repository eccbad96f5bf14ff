import CKernels
import Foundation
import Tensors
import WeightFiles

/// The path of a file beside these tests.
func fixture(_ name: String, source: String = #filePath) -> String {
    URL(fileURLWithPath: source).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
}

func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

/// A folder that is removed with its contents at the end of a test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("weights-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and gives its path.
    func write(_ bytes: [UInt8], as name: String) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// The message of the `WeightFileError` that `body` throws, or what happened instead.
func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "nothing was thrown"
    } catch let error as WeightFileError {
        return error.description
    } catch {
        return "another error was thrown: \(error)"
    }
}

/// A tensor's elements as floats, by the given instruction set.
func floats(_ tensor: StoredTensor, with isa: ck_isa = ck_best_isa()) -> [Float] {
    let count = tensor.elementCount
    let columns = tensor.shape.last ?? 1
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
        for row in 0..<(count == 0 ? 0 : count / columns) {
            let rowBytes = tensor.bytes.count / (count / columns)
            ck_widen_with(
                isa, ck_format(tensor.type.rawValue), tensor.bytes.baseAddress! + row * rowBytes, 0, columns,
                buffer.baseAddress! + row * columns)
        }
        initialized = count
    }
}

/// Index and values of the first element whose bits differ, or nil.
func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
    guard a.count == b.count else { return "\(a.count) elements and \(b.count)" }
    for i in a.indices where a[i].bitPattern != b[i].bitPattern { return "element \(i): \(a[i]) and \(b[i])" }
    return nil
}

extension ck_isa {
    /// The instruction sets that this CPU has.
    static var available: [ck_isa] { (0...ck_best_isa().rawValue).map { ck_isa($0) } }
}

/// Builds files byte by byte, so that any field can lie.
struct ByteBuilder {
    var bytes: [UInt8] = []

    mutating func add<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A string with its 64-bit length, or with a length that lies.
    mutating func add(_ text: String, length: UInt64? = nil) {
        add(length ?? UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func pad(to alignment: Int) {
        while !bytes.count.isMultiple(of: alignment) { bytes.append(0) }
    }
}

/// A safetensors file from its header's text.
func safetensorsBytes(_ header: String, length: UInt64? = nil, data: Int) -> [UInt8] {
    var builder = ByteBuilder()
    builder.add(header, length: length)
    return builder.bytes + [UInt8](repeating: 0, count: data)
}

/// A GGUF file as its fields say.
struct GGUFBuilder {
    /// One tensor's description; dimensions in the file's order, innermost first.
    struct Tensor {
        var name = "blk.0.attn_q.weight"
        var dimensions: [UInt64] = [32, 2]
        var type: UInt32 = 0
        var offset: UInt64 = 0
    }

    var magic = "GGUF"
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var keyCount: UInt64?
    /// Key, type number, the value's bytes.
    var keys: [(String, UInt32, [UInt8])] = []
    var tensors: [Tensor] = []
    var dataCount = 0

    var bytes: [UInt8] {
        var builder = ByteBuilder(bytes: Array(magic.utf8))
        builder.add(version)
        builder.add(tensorCount ?? UInt64(tensors.count))
        builder.add(keyCount ?? UInt64(keys.count))
        for (key, type, value) in keys {
            builder.add(key)
            builder.add(type)
            builder.bytes += value
        }
        for tensor in tensors {
            builder.add(tensor.name)
            builder.add(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { builder.add(dimension) }
            builder.add(tensor.type)
            builder.add(tensor.offset)
        }
        builder.pad(to: 32)
        return builder.bytes + [UInt8](repeating: 0, count: dataCount)
    }
}

/// The bytes of little-endian numbers, one after the other.
func little<each T: FixedWidthInteger>(_ values: repeat each T) -> [UInt8] {
    var builder = ByteBuilder()
    repeat builder.add(each values)
    return builder.bytes
}

/// As `digest` in generate.py.
func digest(_ values: [Float]) -> UInt64 {
    var sum: UInt64 = 0
    values.withUnsafeBufferPointer { buffer in
        var position = 0
        var factor: UInt64 = 0
        while position < buffer.count {
            sum &+= UInt64(buffer[position].bitPattern) &* (factor | 1)
            factor &+= 0x9E37_79B9_7F4A_7C15
            position += 1
        }
    }
    return sum
}
/// The digest as generators write it.
func digestText(_ values: [Float]) -> String {
    let text = String(digest(values), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}
