import ArgumentParser
import Collectives
import Foundation
import JSONText
import LoRA
import Training

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what an adapter is and how far it moves the weights.",
        discussion: """
            Example:
              lora-dist inspect runs/quickstart/adapter

            ‖ΔW‖ is the Frobenius norm of scale · B A, over all modules and over those of each kind; of PiSSA, of scale · \
            (B A − B₀ A₀). DoRA multiplies the rows of W + ΔW by its magnitudes, which ‖ΔW‖ leaves out. Biases and modules that \
            are saved whole (lora.bias, lora.modules_to_save) are counted, and are no part of it.
            """)

    @Argument(help: ArgumentHelp("The folder of a PEFT adapter.", valueName: "adapter"))
    var adapter: String

    @Flag(help: "Prints one JSON object.")
    var json = false

    func run() throws {
        guard (launchedRank ?? 0) == 0 else { return }
        let path = expandingHome(adapter)
        try InputFiles.checkAdapter(path)
        let folder = try PEFTFolder.read(path)
        let norms = try folder.updateNorms()
        let total = Self.root(norms.map(\.norm))
        guard total.isFinite else {
            throw InputError(path, reason: "the adapter holds numbers that are NaN or infinite")
        }
        let kinds = Dictionary(grouping: norms) { String($0.module.split(separator: ".").last ?? "") }
            .map { (kind: $0.key, count: $0.value.count, norm: Self.root($0.value.map(\.norm))) }
            .sorted { $0.kind < $1.kind }
        let parameters = folder.tensors.reduce(0) { $0 + $1.floats.count }
        let config = folder.config
        if json {
            let members = kinds.map { (key: $0.kind, value: JSON.number($0.norm)) }
            writeResult(
                JSON.object(
                    JSONObject([
                        ("r", .integer(Int64(config.r))), ("lora_alpha", .number(config.loraAlpha)),
                        ("scaling", .number(config.scaling)), ("use_dora", .bool(config.useDoRA)),
                        ("parameters", .integer(Int64(parameters))), ("bias", .string(config.bias.rawValue)),
                        ("modules_to_save", .array(config.modulesToSave.map { .string($0.rawValue) })),
                        ("update_norm", .number(total)), ("update_norms", .object(JSONObject(members))),
                    ])
                ).text())
            return
        }
        var lines = [
            "base: \(config.baseModelName.map { printable($0) } ?? "not named")",
            "r \(config.r), lora_alpha \(config.loraAlpha), scale \(fixed(config.scaling, 4))"
                + (config.useRSLoRA ? " (rsLoRA)" : "") + (config.useDoRA ? " (DoRA)" : "")
                + (config.initLoRAWeights.pissaName.map { " (\($0))" } ?? ""),
            "\(grouped(parameters)) parameters in \(folder.modules.count) modules",
            "‖ΔW‖ \(fixed(total, 4))",
        ]
        if config.bias != .none { lines.insert("bias: \(config.bias.rawValue)", at: 3) }
        if !config.modulesToSave.isEmpty {
            lines.insert(
                "saved whole: " + config.modulesToSave.map(\.rawValue).joined(separator: ", "), at: lines.count - 1)
        }
        lines += kinds.map { "  \(printable($0.kind)) × \($0.count): \(fixed($0.norm, 4))" }
        writeResult(lines.joined(separator: "\n"))
    }

    private static func root(_ norms: [Double]) -> Double { norms.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
