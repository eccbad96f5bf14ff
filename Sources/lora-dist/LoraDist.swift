import ArgumentParser

@main
struct LoraDist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lora-dist", abstract: "Fine-tunes large language models with LoRA on CPU nodes, over MPI.",
        discussion: """
            Example:
              mpirun -n 2 --bind-to none lora-dist train --config configs/quickstart.yaml

            Exit codes: 0 done, 2 wrong usage or config, 3 wrong input data or files, 75 stopped on request with a \
            checkpoint, 1 anything else.
            """,
        subcommands: [
            Train.self, Eval.self, Generate.self, Inspect.self, Plan.self, Bench.self, Quantize.self, Convert.self,
            Synth.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            endBeforeRanksMeet(error)
        }
    }
}
