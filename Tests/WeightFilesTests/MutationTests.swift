import Foundation
import Testing
import WeightFiles

/// Files with random damage are read or refused with a `WeightFileError`; nothing else happens.
struct MutationTests {
    /// xorshift64*: the same damage in every run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    /// A copy with up to four changes within the first `header` bytes, or cut short.
    private func damaged(_ bytes: [UInt8], header: Int, by generator: inout Generator) -> [UInt8] {
        var result = bytes
        if Int.random(in: 0..<8, using: &generator) == 0 {
            return Array(result.prefix(Int.random(in: 0..<result.count, using: &generator)))
        }
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let position = Int.random(in: 0..<header, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: result[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: result[position] = UInt8.random(in: 0...255, using: &generator)
            case 2: result[position] = [0, 1, 0x7F, 0x80, 0xFF][Int.random(in: 0..<5, using: &generator)]
            default:
                // A whole 64-bit field, as lengths, counts and offsets are.
                for i in position..<min(position + 8, header) { result[i] = 0xFF }
            }
        }
        return result
    }

    /// Adds up everything that a reader can reach, so that a wrong range shows.
    private func touch(_ tensors: TensorCollection) -> Int {
        tensors.tensors.reduce(0) { sum, tensor in
            #expect(tensor.type.isWeight == false || tensors[tensor.name] != nil)
            return sum &+ tensor.bytes.reduce(0) { $0 &+ Int($1) } &+ tensor.elementCount
        }
    }

    private func touch(_ value: GGUFValue?) -> Int {
        switch value {
        case .string(let bytes): bytes.reduce(0) { $0 &+ Int($1) }
        case .array(let array):
            (0..<array.count).reduce(0) { $0 &+ touch(array[$1]) } &+ (array.ints?.count ?? array.floats?.count ?? 0)
        default: 1
        }
    }

    private func run(_ name: String, header: Int, seed: UInt64, rounds: Int, read: (String) throws -> Int) throws {
        let bytes = try contents(fixture(name))
        let folder = try TemporaryFolder()
        var generator = Generator(state: seed)
        var refused = 0
        for round in 0..<rounds {
            let path = try folder.write(
                damaged(bytes, header: min(header, bytes.count), by: &generator), as: "\(round)")
            do {
                _ = try read(path)
            } catch let error as WeightFileError {
                #expect(error.description.hasPrefix(path + ": ") && !error.description.contains("\n"))
                refused += 1
            }
            try FileManager.default.removeItem(atPath: path)
        }
        #expect(refused > rounds / 4, "the damage is too weak to show anything")
    }

    @Test(arguments: ["metadata.gguf", "align64.gguf", "version2.gguf", "quants.gguf"])
    func gguf(_ name: String) throws {
        try run(name, header: 1400, seed: 1, rounds: 1500) { path in
            let file = try GGUFFile(path: path)
            return touch(file.tensors) &+ file.metadata.keys.reduce(0) { $0 &+ touch(file.metadata[$1]) }
        }
    }

    @Test(arguments: ["mixed.safetensors", "written.safetensors"])
    func safetensors(_ name: String) throws {
        try run(name, header: 560, seed: 2, rounds: 1500) { touch(try TensorCollection.safetensors(at: $0)) }
    }
}
