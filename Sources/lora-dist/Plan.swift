import ArgumentParser
import Collectives
import JSONText
import Models
import Training

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells what a run will cost: parameters, memory, time. Loads no weights.",
        discussion: """
            Examples:
              lora-dist plan --config my.yaml --ranks-per-node 2
              lora-dist plan --shape llama-3.1-8b --set lora.r=64 --memory 64
              lora-dist plan --model my-model/config.json --gflops 300 --json

            The base may be a Hugging Face folder, a GGUF file, a config.json by itself, or a known shape. With data.train the \
            micro-batches are those that training would cut; without it examples of data.max_length tokens are assumed.

            Memory is what training will have in use: activations by a dry run of the layers' own code, the state of the \
            adapter by its matrices, the base by the bytes that a step reads, once per node. Full fine-tuning stands beside it as \
            the baseline of mixed-precision AdamW, 16 bytes a parameter (Rajbhandari et al. 2020), held by each rank.

            Times come from some layers of the model's shape with random weights, trained here for some seconds with the \
            threads of one rank while those of others are kept busy; nodes are taken to be like this machine. With --gflops, \
            the rate of raw products of one rank, as lora-dist bench prints it, nothing is measured, and a step is taken to reach 75 % of it in bf16 and 82 % in \
            fp32. Sums over ranks are taken to go round in a ring, at \(fixed(localRate * 1e-9, 1)) GB/s within a node.

            Exit code 1 if the configured run does not fit into the node's memory.
            """)

    private static var localRate: Double { planLocalRate }

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "The base: a Hugging Face folder, a GGUF file or a config.json. (default: model.path)", valueName: "path"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "A known shape in the place of a model: \(KnownShape.names(of: "or")).", valueName: "name"))
    var shape: String?

    @Option(
        help: ArgumentHelp(
            "Ranks on each node. (default: those that mpirun starts here, else 1)", valueName: "count"))
    var ranksPerNode: Int?

    @Option(help: ArgumentHelp("Memory of a node. (default: what this machine has free)", valueName: "GiB"))
    var memory: Double?

    @Option(help: ArgumentHelp("A node's network link.", valueName: "Gbit/s"))
    var network = 10.0

    @Option(help: ArgumentHelp("What a message takes beside its bytes.", valueName: "µs"))
    var latency = 50.0

    @Option(
        help: ArgumentHelp("The rate of raw products of one rank, in place of measuring here.", valueName: "GFLOP/s"))
    var gflops: Double?

    @Flag(help: "Prints all figures as one JSON object.")
    var json = false

    func validate() throws {
        if let ranksPerNode, !(1...4096).contains(ranksPerNode) {
            throw ValidationError("--ranks-per-node: found \(ranksPerNode), expected a whole number from 1 to 4096")
        }
        for (name, value) in [("--memory", memory), ("--network", network), ("--gflops", gflops)] {
            guard let value, !(value > 0 && value < 1e9) else { continue }
            throw ValidationError("\(name): found \(value), expected a number above 0")
        }
        if !(latency >= 0 && latency < 1e9) {
            throw ValidationError("--latency: found \(latency), expected a number of at least 0")
        }
        try base.validate()
    }

    private var base: BaseChoice { BaseChoice(model: model, shape: shape) }

    func run() throws {
        let config = try base.load(options)
        guard (launchedRank ?? 0) == 0 else { return }
        var settings = PlanOptions()
        settings.shape = base.known
        settings.ranksPerNode = ranksPerNode ?? LaunchEnvironment.current?.localSize ?? 1
        settings.memoryBytes = memory.map { Int($0 * 1_073_741_824) }
        settings.networkGigabits = network
        settings.latencySeconds = latency * 1e-6
        settings.gigaflops = gflops
        settings.threads = threads.threads
        let plan = try makePlan(config: config, options: settings)
        writeResult(json ? plan.json.text() : plan.text)
        if !plan.fit.fits { throw DoesNotFit(description: plan.fit.refusal) }
    }
}

/// A run that the memory of a node is too small for.
private struct DoesNotFit: UserFacingError {
    let description: String
    var exitCode: Int32 { 1 }
}
