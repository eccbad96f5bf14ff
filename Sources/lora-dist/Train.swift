import ArgumentParser
import Collectives
import Training

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a LoRA adapter.",
        discussion: """
            Examples:
              lora-dist train --config configs/quickstart.yaml
              mpirun -n 4 --bind-to none \\
                lora-dist train --config my.yaml --set training.learning_rate=1e-4

            The result does not depend on the number of ranks or threads. The folder output.dir gets adapter/ (PEFT), \
            config.yaml (every value that was used) and metrics.jsonl.
            """)

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Flag(
        help: """
            Checks gradients against finite differences and every layer's output for numbers that are not finite, and \
            shows statistics of each tensor.
            """)
    var debug = false

    @Flag(help: "Removes the results of an earlier run from output.dir.")
    var overwrite = false

    func run() throws {
        let config = try options.load(needs: [.model, .trainingData, .outputFolder])
        try InputFiles.checkTraining(config)
        if (launchedRank ?? 0) == 0 { try InputFiles.checkOutput(config, overwrite: overwrite) }
        try onAllRanks { world in
            let reporter = Reporter(console: Console(), loggingSteps: config.training.loggingSteps)
            try runTraining(
                config: config,
                options: RunOptions(
                    threads: threads.threads, debug: debug, overwrite: overwrite, configText: { try $0.yaml() }),
                world: world
            ) { if world.rank == 0 { reporter.report($0) } }
        }
    }
}
