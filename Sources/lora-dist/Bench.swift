import ArgumentParser
import Collectives
import JSONText
import Models
import Training

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures training speed beside the speed of raw matrix products.",
        discussion: """
            Examples:
              lora-dist bench --model my-model.gguf --threads 2
              mpirun -n 2 --bind-to none lora-dist bench --shape llama-3.2-1b --threads 1
              lora-dist bench --shape llama-3.2-1b --gemm

            Steps on random tokens, every token trained, in the precision of model.dtype; before and after each step plain matrix \
            products on as many threads: single-precision (OpenBLAS), and the bf16 kernel on operands that are packed \
            already. Figures are medians. Under mpirun every rank does the same at the same time, with no gradients sent; the \
            ranks of a node update the adapter together (training.state_placement). The figures are rank 0's, and sums over \
            the ranks. training.activation_checkpointing and lora.lora_dropout are as in training.

            Model FLOPs count what the mathematics needs, two for each multiply-add, and what is computed twice once. For \
            each token: linear maps forward and for their input's gradient, 4 · outputs · inputs; A and B of rank r the same \
            and for their own gradients, 6 · r · (outputs + inputs); attention, two products forward and four backward over \
            the tokens that it sees, 12 · heads · head size for each; the head, 4 · vocabulary · hidden where it is trained. \
            The lowest adapted layer's input, and what is below it, needs no gradient.

            Memory: pages that this process alone maps, and those that others map too (Linux's smaps_rollup). The part is \
            the proportional set size, in which a page that n processes map counts 1/n; anonymous is what no file backs. \
            A node holds the parts of anonymous and shared memory of its ranks, \
            and once the base that a step reads.
            """)

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp("The base: a Hugging Face folder or a GGUF file. (default: model.path)", valueName: "path"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "Random bf16 weights of a known shape in the place of a model: \(KnownShape.names(of: "or")).",
            valueName: "name"))
    var shape: String?

    @Flag(help: "Measures each product of a step alone, with the shapes of the model.")
    var gemm = false

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
        try base.validate()
    }

    private var base: BaseChoice { BaseChoice(model: model, shape: shape) }

    func run() throws {
        let config = try base.load(options)
        var settings = BenchmarkOptions()
        settings.shape = base.known
        settings.tokens = tokens
        settings.exampleTokens = min(exampleTokens, tokens)
        settings.steps = steps
        settings.threads = threads.threads
        try onAllRanks { world in
            if gemm {
                let sweep = try runProductSweep(config: config, options: settings, world: world)
                if world.rank == 0 { writeResult(json ? sweep.json.text() : sweep.table) }
            } else {
                let result = try runBenchmark(config: config, options: settings, world: world)
                if world.rank == 0 { writeResult(json ? result.json.text() : result.table) }
            }
        }
    }
}
