import Foundation
import JSONText
public import Models
import Tensors
import Tokenizers
import WeightFiles

/// Makes Hugging Face model folders.
public struct ModelWriting {
    /// The folder to write.
    public let path: String
    /// Threads that share the work; nil for all cores of this process.
    public let threads: Int?
    /// Told of each tensor that is written: its name, the bytes so far, and those of all.
    public let report: (_ name: String, _ done: Int, _ all: Int) -> Void

    public init(
        path: String, threads: Int?, report: @escaping (_ name: String, _ done: Int, _ all: Int) -> Void
    ) {
        self.path = path
        self.threads = threads
        self.report = report
    }

    /// Writes a GGUF model with plain numbers, the values as the `gguf` Python package reads them, and its tokenizer.
    /// - Parameters:
    ///   - file: the GGUF file.
    ///   - form: of all weights.
    /// - Throws: an error that names the file and what is wrong with it.
    public func convert(_ file: String, form: ModelFile.Form) throws {
        let base = try BaseModel(path: file)
        guard let gguf = base.gguf else { throw InputError(file, reason: "is a folder; a GGUF file was expected") }
        let names: [ModelFile.Form: String] = [.f32: "float32", .f16: "float16", .bf16: "bfloat16"]
        let config = try base.config.json(dtype: names[form]!)
        let files = try Tokenizer.files(gguf: gguf.metadata, file: file)
        try write(ModelFolder(config: config, items: base.items(linears: form, others: form)))
        try write(files)
    }

    /// Writes a model whose linear maps are in 4-bit NormalFloat, as Transformers and bitsandbytes keep them; the rest stays as it is.
    /// - Parameters:
    ///   - model: a Hugging Face folder or a GGUF file.
    ///   - requantizes: also takes weights that are quantised already.
    /// - Throws: an error that names the file and what is wrong with it.
    public func quantize(_ model: String, requantizes: Bool) throws {
        let base = try BaseModel(path: model)
        if let (name, format) = base.quantized, !requantizes {
            throw InputError(
                model,
                reason:
                    "is quantised already (\(name) is \(format)), and would lose more by being quantised again; it can be "
                    + "trained on as it is, or give --requantize")
        }
        let quantization = DecoderConfig.nf4Quantization
        let config: JSON
        if base.gguf != nil {
            config = try base.config.json(dtype: "float32")
        } else {
            config = try JSON(parsing: SmallFile.bytes(model + "/config.json"))
        }
        let members = (config.object?.members ?? []).filter { $0.key != "quantization_config" }
        let folder = ModelFolder(
            config: .object(JSONObject(members + [("quantization_config", quantization)])),
            items: base.items(linears: .nf4, others: nil))
        let files = try base.gguf.map { try Tokenizer.files(gguf: $0.metadata, file: model) }
        let copied = files == nil ? try tokenizerFiles(of: model) : []
        try write(folder)
        try write(files ?? [])
        for file in copied { try FileSystem.write(file.bytes, to: "\(path)/\(file.name)") }
    }

    /// Writes random weights of a shape in bf16, with nothing to make text of: for trying memory and speed at full size.
    /// - Parameter shape: of the model.
    /// - Throws: `WeightFileError` if a file cannot be written.
    public func synthesize(_ shape: KnownShape) throws {
        try write(
            ModelFolder(config: try shape.config.json(dtype: "bfloat16"), items: BaseModel.randomItems(shape.config)))
    }

    private func write(_ folder: ModelFolder) throws {
        let workers = Workers(count: threads ?? AffinityMask.own().cores())
        defer { workers.stop() }
        let all = folder.byteCount
        var done = 0
        try folder.write(to: path, on: workers) { name, bytes in
            done += bytes
            report(name, done, all)
        }
    }

    private func write(_ files: [(name: String, content: JSON)]) throws {
        for file in files { try FileSystem.write(Array(file.content.text().utf8), to: "\(path)/\(file.name)") }
    }

    /// What belongs to a model beside its weights; one of random weights has no tokenizer.
    private func tokenizerFiles(of model: String) throws -> [(name: String, bytes: [UInt8])] {
        let hasTokenizer = FileManager.default.fileExists(atPath: model + "/tokenizer.json")
        let names = hasTokenizer ? try Tokenizer(folder: model).filesToCopy : []
        return try (names + ["generation_config.json"]).compactMap { name in
            try FileSystem.read("\(model)/\(name)").map { (name, $0) }
        }
    }
}
