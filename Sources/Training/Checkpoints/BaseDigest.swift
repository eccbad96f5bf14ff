import Foundation
import Models
import WeightFiles

/// What tells one base model from another without reading all of its weights.
enum BaseDigest {
    /// The samples of each file.
    private static let sampleCount = 64, sampleBytes = 65_536

    /// SHA-256 over the headers and sizes of all files, and samples spread evenly over each.
    /// - Throws: `WeightFileError` if a file cannot be read.
    static func sampled(_ base: BaseModel) throws -> String {
        let sum = RunningDigest()
        if base.gguf == nil { sum.add(try Digest.ofFile(base.path + "/config.json")) }
        for entry in base.files {
            let bytes = unsafe entry.file.bytes
            sum.add("\(bytes.count)")
            unsafe sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<entry.headerBytes]))
            let last = max(0, bytes.count - sampleBytes)
            for sample in 0..<sampleCount {
                let start = last / (sampleCount - 1) * sample
                unsafe sum.add(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + sampleBytes)]))
            }
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
}
