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

            The result does not depend on the number of ranks or threads, nor on how often the run was stopped and resumed. \
            The folder output.dir gets adapter/ (PEFT), checkpoints/, config.yaml (every value that was used), \
            metrics.jsonl and status.json.

            SIGUSR1 to mpirun, or SIGTERM, SIGINT or SIGUSR1 to a single process or to the tasks of srun, stop the run after \
            its step with a checkpoint and exit code 75.
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

    @Option(
        help: ArgumentHelp(
            "Goes on from a checkpoint, on any number of ranks: a folder, or auto for the newest whole one of output.dir, if there is one.",
            valueName: "auto|folder"))
    var resume: String?

    @Flag(help: "Lets a resumed run differ from its checkpoint in config, model or data.")
    var acceptChanges = false

    @Flag(help: "Hashes all of the base's weights before the first step, and compares them with the checkpoint's.")
    var verifyBase = false

    @Option(help: ArgumentHelp("Stops in time to have saved after so long.", valueName: "2h30m"))
    var stopAfter: String?

    @Option(
        help: ArgumentHelp("Stops in time to have saved at this moment.", valueName: "2026-11-24T18:00|18:00"))
    var stopAt: String?

    func validate() throws {
        if overwrite, resume != nil { throw ValidationError("--overwrite and --resume exclude each other") }
        if stopAfter != nil, stopAt != nil { throw ValidationError("--stop-after and --stop-at exclude each other") }
        if acceptChanges, resume == nil { throw ValidationError("--accept-changes needs --resume") }
        if let stopAfter, StopDeadline(after: stopAfter) == nil {
            throw ValidationError("--stop-after: found \(stopAfter), expected a time such as 90m or 2h30m")
        }
        if let stopAt, StopDeadline(at: stopAt) == nil {
            throw ValidationError("--stop-at: found \(stopAt), expected a moment such as 18:00 or 2026-11-24T18:00")
        }
    }

    func run() throws {
        // Counts from here, not from the first step.
        let deadline = stopAfter.flatMap { StopDeadline(after: $0) } ?? stopAt.flatMap { StopDeadline(at: $0) }
        let config = try options.load(needs: [.model, .trainingData, .outputFolder])
        try InputFiles.checkTraining(config)
        if (launchedRank ?? 0) == 0 {
            try InputFiles.checkOutput(config, mayHoldResults: overwrite || resume != nil)
        }
        StopSignals.catchAll()
        try onAllRanks { world in
            let console = Console()
            let reporter = Reporter(console: console, loggingSteps: config.training.loggingSteps)
            var run = RunOptions { try $0.yaml() }
            run.threads = threads.threads
            run.debug = debug
            run.overwrite = overwrite
            run.resume = resume.map { $0 == "auto" ? .auto : .path(expandingHome($0)) }
            run.acceptChanges = acceptChanges
            run.verifyBase = verifyBase
            run.takesSignals = true
            run.deadline = deadline
            run.say = { console.line(printable($0)) }
            try runTraining(config: config, options: run, world: world) { if world.rank == 0 { reporter.report($0) } }
        }
    }
}
