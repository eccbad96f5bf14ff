import ArgumentParser
import Collectives
import JSONText
import Models
import Training

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures training speed beside the speed of raw matrix products.",
        discussion: """
            Example:
              lora-dist bench --model my-model.gguf --threads 2

            Steps on random tokens, every token trained, in one process, in the precision of model.dtype; before each step \
            plain matrix products on as many threads: single-precision (OpenBLAS), and the bf16 kernel on operands that are \
            packed already. Figures are medians. Model FLOPs count what the mathematics needs, two \
            for each multiply-add: linear maps forward and for their input's gradient, A and B, the pairs of tokens that \
            see each other, the head at trained tokens.
            """)

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp("The base: a Hugging Face folder or a GGUF file. (default: model.path)", valueName: "path"))
    var model: String?

    @Option(help: ArgumentHelp("Tokens of a step.", valueName: "count"))
    var tokens = 2048

    @Option(help: ArgumentHelp("Tokens of an example.", valueName: "count"))
    var exampleTokens = 512

    @Option(help: ArgumentHelp("Steps that count; one more comes before them.", valueName: "count"))
    var steps = 5

    @Flag(help: "Prints the result as one JSON object.")
    var json = false

    func validate() throws {
        for (name, value) in [("--tokens", tokens), ("--example-tokens", exampleTokens)] where value < 2 {
            throw ValidationError("\(name): found \(value), expected at least 2")
        }
        if steps < 1 { throw ValidationError("--steps: found \(steps), expected at least 1") }
    }

    func run() throws {
        let config = try options.load(
            needs: [.model], overrides: [("--model", "model.path", model.map { .string($0) })])
        try InputFiles.checkModel(config)
        var settings = BenchmarkOptions()
        settings.tokens = tokens
        settings.exampleTokens = min(exampleTokens, tokens)
        settings.steps = steps
        settings.threads = threads.threads
        try onAllRanks { world in
            guard world.rank == 0 else { return }
            let result = try runBenchmark(config: config, options: settings)
            writeResult(json ? result.json.text() : result.table)
        }
    }
}

extension BenchmarkResult {
    private func giga(_ value: Double) -> String { fixed(value * 1e-9, 1) }

    /// The result for people.
    var table: String {
        let flops = flopsPerToken
        return """
            \(model)
            \(precision), \(grouped(trainableParameters)) trainable parameters, \(threads) threads, \(grouped(tokens)) tokens a step, \
            arena \(bytes(arenaBytes))
            \(library)
            \(fixed(tokensPerSecond, 1)) tokens/s, \(fixed(seconds, 3)) s a step
            \(giga(flops.total)) GFLOP a token: linear \(fixed(flops.linear * 1e-9, 3)), LoRA \(fixed(flops.lora * 1e-9, 3)), \
            attention \(fixed(flops.attention * 1e-9, 3)), head \(fixed(flops.head * 1e-9, 3))
            \(giga(modelFLOPS)) GFLOP/s: \(fixed(shareOfGEMM * 100, 1)) % of the \(giga(gemmFLOPS)) GFLOP/s that sgemm reaches here \
            and now, \(fixed(shareOfBF16 * 100, 1)) % of the bf16 kernel's \(giga(bf16FLOPS)) GFLOP/s
            """
    }

    /// The result for programs.
    var json: JSON {
        .object(
            JSONObject([
                ("model", .string(model)), ("threads", .integer(Int64(threads))), ("tokens", .integer(Int64(tokens))),
                ("trainable_parameters", .integer(Int64(trainableParameters))), ("seconds", .number(seconds)),
                ("tokens_per_second", .number(tokensPerSecond)),
                (
                    "flops_per_token",
                    .object(
                        JSONObject([
                            ("linear", .number(flopsPerToken.linear)), ("lora", .number(flopsPerToken.lora)),
                            ("attention", .number(flopsPerToken.attention)), ("head", .number(flopsPerToken.head)),
                        ]))
                ),
                ("model_flops_per_second", .number(modelFLOPS)), ("sgemm_flops_per_second", .number(gemmFLOPS)),
                ("bf16_flops_per_second", .number(bf16FLOPS)), ("share_of_sgemm", .number(shareOfGEMM)),
                ("share_of_bf16", .number(shareOfBF16)), ("dtype", .string(precision)),
                ("arena_bytes", .integer(Int64(arenaBytes))),
                ("library", .string(library)),
            ]))
    }
}
