import ArgumentParser
import Collectives
import Foundation
import JSONText
import Training

struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures loss and perplexity on held-out data, with and without an adapter.",
        discussion: """
            Examples:
              lora-dist eval --config configs/quickstart.yaml \\
                --adapter runs/quickstart/adapter
              mpirun -n 2 --bind-to none \\
                lora-dist eval --model my-model --data held-out.jsonl

            The loss is the mean cross-entropy, in nats, of the tokens that data.train_on chooses.
            """)

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp("The base: a Hugging Face folder or a GGUF file. (default: model.path)", valueName: "path"))
    var model: String?

    @Option(help: ArgumentHelp("The folder of a PEFT adapter.", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("A JSONL file to evaluate on. (default: data.eval)", valueName: "file"))
    var data: String?

    @Flag(help: "Prints the result as one JSON object.")
    var json = false

    func run() throws {
        let config = try options.load(
            needs: [.model, .heldOutData],
            overrides: [
                ("--model", "model.path", model.map { .string($0) }), ("--data", "data.eval", data.map { .string($0) }),
                ("--data", "data.eval_split", data.map { _ in .null }),
            ])
        let adapter = adapter.map(expandingHome)
        try InputFiles.checkModel(config)
        try InputFiles.checkAdapter(adapter)
        try InputFiles.checkData(config.data.eval, key: data == nil ? "data.eval" : "--data")
        if config.data.eval.isEmpty { try InputFiles.checkData(config.data.train, key: "data.train") }
        try onAllRanks { world in
            let reporter = Reporter(console: Console(), loggingSteps: config.training.loggingSteps)
            let result = try runEvaluation(
                config: config, options: EvaluationOptions(adapter: adapter, threads: threads.threads), world: world
            ) { if world.rank == 0 { reporter.report($0) } }
            if world.rank == 0 { writeResult(json ? result.json.text() : result.table) }
        }
    }
}

extension EvaluationResult {
    /// The result for programs.
    var json: JSON {
        func losses(_ loss: Double) -> JSON {
            .object(JSONObject([("loss", finite(loss)), ("perplexity", finite(exp(loss)))]))
        }
        return .object(
            JSONObject([
                ("base", losses(baseLoss)), ("adapter", adapterLoss.map(losses) ?? .null),
                ("examples", .integer(Int64(examples))), ("tokens", .integer(Int64(tokens))),
                ("trained_tokens", .integer(Int64(trainedTokens))),
            ]))
    }

    /// The result for people.
    var table: String {
        func row(_ name: String, _ loss: Double) -> String {
            padded(name, 14) + padded(fixed(loss, 4), 10) + fixed(exp(loss), 4)
        }
        return [
            padded("", 14) + padded("loss", 10) + "perplexity", row("base", baseLoss),
            adapterLoss.map { row("with adapter", $0) },
            "\(grouped(trainedTokens)) trained of \(grouped(tokens)) tokens in \(grouped(examples)) examples",
        ].compactMap { $0 }.joined(separator: "\n")
    }

    private func finite(_ value: Double) -> JSON { value.isFinite ? .number(value) : .null }
    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
