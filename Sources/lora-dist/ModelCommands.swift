import ArgumentParser
import Collectives
import Foundation
import Models
import Training

/// What commands that write a model folder have in common.
struct ModelOutput: ParsableArguments {
    @Argument(help: ArgumentHelp("The folder to write; it must not be there, or be empty.", valueName: "out"))
    var out: String

    @OptionGroup var threads: ThreadOptions

    /// - Throws: `InputError` if something is in the folder.
    private func writing(_ console: Console) throws -> ModelWriting {
        let path = expandingHome(out)
        if let found = try? FileManager.default.contentsOfDirectory(atPath: path), let first = found.sorted().first {
            throw InputError(path, reason: "is not empty (\(printable(first))); give another folder, or remove it")
        }
        return ModelWriting(path: path, threads: threads.threads) { name, done, all in
            console.progress("\(bytes(done)) of \(bytes(all))  \(name)")
        }
    }

    /// Does the work, and says where the result is.
    func write(_ work: (ModelWriting) throws -> Void) throws {
        guard (launchedRank ?? 0) == 0 else { return }
        let begin = ContinuousClock.now
        let console = Console()
        let writing = try writing(console)
        defer { console.progress("") }
        try work(writing)
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        writeResult("wrote \(printable(writing.path)) in \(fixed(seconds, 1)) s")
    }
}

struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a model with its linear maps in 4-bit NormalFloat (QLoRA).",
        discussion: """
            Example:
              lora-dist quantize my-model my-model-nf4

            Blocks of 64 weights with scales of 8 bits, in the files of Transformers and bitsandbytes, which can load them too. \
            Embedding, head and norms stay as they are; those that a GGUF file has quantised become bf16. Training with \
            model.quantization: nf4 does the same by itself, \
            once, and keeps the result in the cache.
            """)

    @Argument(help: ArgumentHelp("A Hugging Face folder or a GGUF file.", valueName: "model"))
    var model: String

    @OptionGroup var output: ModelOutput

    @Flag(help: "Takes weights that are quantised already, too.")
    var requantize = false

    func run() throws {
        let path = expandingHome(model)
        try InputFiles.checkModel(at: path, named: "model")
        try output.write { try $0.quantize(path, requantizes: requantize) }
    }
}

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a Hugging Face folder from a GGUF file.",
        discussion: """
            Example:
              lora-dist convert my-model.gguf my-model --dtype bf16

            Weights become plain numbers: with --dtype f32 the values that the gguf Python package reads, else these rounded. \
            Tokenizer and chat template are written beside them.
            """)

    @Argument(help: ArgumentHelp("A GGUF file.", valueName: "gguf"))
    var gguf: String

    @OptionGroup var output: ModelOutput

    /// The number formats to choose from.
    enum Form: String, CaseIterable, ExpressibleByArgument {
        case f32, f16, bf16

        var form: ModelFile.Form {
            switch self {
            case .f32: .f32
            case .f16: .f16
            case .bf16: .bf16
            }
        }
    }

    @Option(help: "The format of the weights.")
    var dtype = Form.bf16

    func run() throws {
        let path = expandingHome(gguf)
        try InputFiles.checkModel(at: path, named: "gguf")
        try output.write { try $0.convert(path, form: dtype.form) }
    }
}

struct Synth: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a model of random weights of a known shape.",
        discussion: """
            Example:
              lora-dist synth --shape llama-3.1-8b my-8b

            For trying memory and speed at full size where the model itself is not at hand. bf16, in shards. There is no tokenizer: \
            lora-dist bench --model trains on it.
            """)

    @OptionGroup var output: ModelOutput

    @Option(help: ArgumentHelp("The shape: \(KnownShape.names(of: "or")).", valueName: "name"))
    var shape: String

    func validate() throws {
        guard KnownShape.named(shape) == nil else { return }
        throw ValidationError("--shape: found \(printable(shape)), expected \(KnownShape.names(of: "or"))")
    }

    func run() throws {
        let shape = KnownShape.named(shape)!
        try output.write { try $0.synthesize(shape) }
    }
}

extension KnownShape {
    /// The names of all shapes, for help and messages.
    static func names(of word: String) -> String {
        let names = all.map(\.name)
        return names.dropLast().joined(separator: ", ") + " \(word) " + names.last!
    }
}
