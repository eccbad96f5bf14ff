import ArgumentParser

@main
struct LoraDist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lora-dist", abstract: "Fine-tunes large language models with LoRA on CPU nodes, over MPI.")
}
