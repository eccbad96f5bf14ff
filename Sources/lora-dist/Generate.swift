import ArgumentParser
import Collectives
import Foundation
import JSONText
import Training

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers prompts, with or without an adapter.",
        discussion: """
            Examples:
              lora-dist generate --model my-model.gguf \\
                --adapter runs/quickstart/adapter --prompt "What is tin?"
              lora-dist generate --config configs/quickstart.yaml \\
                --prompts held-out.jsonl --json

            Prompts become conversations in the model's chat template. Each line of a prompts file is a string, a list \
            of messages, or an object with messages or prompt; a last turn of the assistant is left out.
            """)

    @OptionGroup var options: ConfigOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp("The base: a Hugging Face folder or a GGUF file. (default: model.path)", valueName: "path"))
    var model: String?

    @Option(help: ArgumentHelp("The folder of a PEFT adapter.", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("What to ask; as often as needed.", valueName: "text"))
    var prompt: [String] = []

    @Option(help: ArgumentHelp("A JSONL file of what to ask.", valueName: "file"))
    var prompts: String?

    @Option(help: ArgumentHelp("The system turn of each conversation that has none.", valueName: "text"))
    var system: String?

    @Option(help: ArgumentHelp("The most tokens of an answer.", valueName: "count"))
    var maxNewTokens = 256

    @Option(help: "0 takes the likeliest token each time; above 0, tokens are drawn.")
    var temperature = 0.0

    @Option(
        help: ArgumentHelp("Draws from the likeliest tokens that have this probability together.", valueName: "share"))
    var topP = 1.0

    @Option(help: ArgumentHelp("Draws from so many of the likeliest tokens; 0 for all.", valueName: "count"))
    var topK = 0

    @Option(help: "What drawing depends on: the same seed draws the same.")
    var seed = 42

    @Flag(help: "Prints one JSON object for each answer.")
    var json = false

    func validate() throws {
        try require(!prompt.isEmpty || prompts != nil, "give --prompt or --prompts")
        try require(
            (1...65_536).contains(maxNewTokens), "--max-new-tokens: found \(maxNewTokens), expected from 1 to 65536")
        try require(
            temperature >= 0 && temperature.isFinite, "--temperature: found \(temperature), expected at least 0")
        try require(topP > 0 && topP <= 1, "--top-p: found \(topP), expected above 0 and at most 1")
        try require(topK >= 0, "--top-k: found \(topK), expected at least 0")
        try require(seed >= 0, "--seed: found \(seed), expected at least 0")
    }

    func run() throws {
        let config = try options.load(
            needs: [.model], overrides: [("--model", "model.path", model.map { .string($0) })])
        let adapter = adapter.map(expandingHome)
        try InputFiles.checkModel(config)
        try InputFiles.checkAdapter(adapter)
        let asked =
            prompt.map { [Prompts.message("user", $0)] }
            + (try prompts.map { try Prompts.read(expandingHome($0)) } ?? [])
        let conversations = asked.map { Prompts.adding(system: system, to: $0) }
        let settings = GenerationOptions(
            adapter: adapter, threads: threads.threads, maxNewTokens: maxNewTokens, temperature: temperature,
            topP: topP, topK: topK, seed: seed)
        try onAllRanks { world in
            try runGeneration(config: config, options: settings, conversations: conversations, world: world) { answer in
                guard world.rank == 0 else { return }
                let conversation = conversations[answer.prompt]
                writeResult(
                    json
                        ? answer.json(to: conversation).text()
                        : answer.text(to: conversation, of: conversations.count))
            }
        }
    }

    private func require(_ condition: Bool, _ message: String) throws {
        if !condition { throw ValidationError(message) }
    }
}

extension Answer {
    /// The answer for programs.
    func json(to conversation: [JSON]) -> JSON {
        .object(
            JSONObject([
                ("messages", .array(conversation)), ("answer", .string(String(decoding: text, as: UTF8.self))),
                ("prompt_tokens", .integer(Int64(promptTokens))), ("answer_tokens", .integer(Int64(answerTokens))),
                ("is_complete", .bool(isComplete)), ("seconds", .number(seconds)),
            ]))
    }

    /// The answer for people: the text alone if it is the only one, else below its number and question.
    func text(to conversation: [JSON], of count: Int) -> String {
        let text = String(decoding: text, as: UTF8.self)
        guard count > 1 else { return text }
        let question = conversation.last?["content"]?.string ?? ""
        let firstLine = question.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? ""
        return "[\(prompt + 1)/\(count)] \(firstLine)\n\(text)\n"
    }
}
