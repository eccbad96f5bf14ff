import Foundation
import LoRA
import Models
import Tensors
import WeightFiles

/// What tells one base model from another without reading all of its weights.
enum BaseDigest {
    /// SHA-256 over the headers and sizes of all files, and samples spread evenly over each.
    /// - Throws: `WeightFileError` if a file cannot be read.
    static func sampled(_ base: BaseModel) throws -> String {
        let sum = RunningDigest()
        if base.gguf == nil { sum.add(try Digest.ofFile(base.path + "/config.json")) }
        for entry in base.files {
            let bytes = unsafe entry.file.bytes
            sum.add("\(bytes.count)")
            unsafe sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<entry.headerBytes]))
            unsafe add(bytes, to: sum, samples: 64, of: 65_536)
        }
        return sum.text
    }

    /// SHA-256 over `sampled`, and samples of each linear map, so that a change all over one map shows.
    /// - Throws: `WeightFileError` if a file cannot be read.
    static func ofLinears(_ base: BaseModel) throws -> String {
        let sum = RunningDigest()
        sum.add(try sampled(base))
        for path in base.linearPaths {
            guard let bytes = unsafe base.weight(of: path)?.fileBytes else { continue }
            unsafe add(bytes, to: sum, samples: 16, of: 4096)
        }
        return sum.text
    }

    /// SHA-256 over what stands before the weights: of a GGUF file, its metadata with the vocabulary.
    static func headers(_ base: BaseModel) -> String {
        let sum = RunningDigest()
        for entry in base.files {
            unsafe sum.add(UnsafeRawBufferPointer(rebasing: entry.file.bytes[..<entry.headerBytes]))
        }
        return sum.text
    }

    /// Adds samples of so many bytes, spread evenly.
    private static func add(_ bytes: UnsafeRawBufferPointer, to sum: RunningDigest, samples: Int, of size: Int) {
        let last = max(0, bytes.count - size)
        for sample in 0..<samples {
            let start = last / (samples - 1) * sample
            unsafe sum.add(UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + size)]))
        }
    }
}
