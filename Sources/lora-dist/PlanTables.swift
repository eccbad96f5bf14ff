import Models
import Training

/// Cells of a line, the first from the left, the others from the right.
private func line(_ first: String, _ cells: [String], widths: [Int]) -> String {
    let padded = first + String(repeating: " ", count: max(0, widths[0] - first.count))
    return zip(cells, widths.dropFirst()).reduce(padded) { line, cell in
        line + String(repeating: " ", count: max(1, cell.1 - cell.0.count)) + cell.0
    }
}

/// Words in lines of at most 80 columns, those after the first indented.
private func wrapped(_ text: String, indent: String = "") -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
        if !line.isEmpty, line.count + 1 + word.count > 80 {
            lines.append(line)
            line = indent + word
        } else {
            line += (line.isEmpty ? "" : " ") + word
        }
    }
    return lines + [line]
}

/// A share of 1 in percent, with two or three digits that count.
private func percent(_ share: Double) -> String {
    let value = share * 100
    return fixed(value, value >= 10 ? 1 : value >= 0.1 ? 2 : value >= 0.01 ? 3 : 4) + " %"
}

/// Seconds in a form that fits their size.
private func duration(_ seconds: Double) -> String { seconds < 100 ? fixed(seconds, 3) : fixed(seconds, 1) }

private func counted(_ count: Int, _ one: String, _ more: String) -> String {
    "\(grouped(count)) \(count == 1 ? one : more)"
}

extension RunPlan {
    /// The plan for people, at most 80 columns wide.
    var text: String {
        var lines = wrapped(printable(model), indent: "  ")
        lines.append("\(precision), \(grouped(baseParameters)) parameters")
        lines += ["", "What is trained"] + parameterLines
        lines += ["", "What is computed"] + workLines
        lines += ["", "What it takes in memory"] + memoryLines
        lines += ["", "How long it takes"] + timeLines
        lines += ["", "Does it fit?"] + wrapped(fit.text, indent: "  ")
        if !doubts.isEmpty {
            lines += ["", "Is LoRA the right choice?"] + doubts.flatMap { wrapped("- " + printable($0), indent: "  ") }
        }
        if !assumptions.isEmpty {
            lines += ["", "Assumed"] + assumptions.flatMap { wrapped("- " + printable($0), indent: "  ") }
        }
        return lines.joined(separator: "\n")
    }

    private var parameterLines: [String] {
        let widths = [34, 10, 16, 10]
        var lines = [line("module", ["matrices", "parameters", "share"], widths: widths)]
        lines += adapter.kinds.map {
            let share = Double($0.parameters) / Double(baseParameters)
            return line(
                printable($0.kind), [grouped($0.modules), grouped($0.parameters), percent(share)], widths: widths)
        }
        lines.append(
            line(
                "all",
                [
                    grouped(adapter.kinds.reduce(0) { $0 + $1.modules }), grouped(adapter.parameters),
                    percent(adapter.share),
                ], widths: widths))
        lines.append(
            "The adapter's file takes \(bytes(adapter.fileBytes)), a checkpoint \(bytes(adapter.checkpointBytes)).")
        lines += [""]
        lines += wrapped(
            "LoRA of rank r trains r (d + k) numbers for a matrix of d × k. The often quoted 0.2–1 % of a model is a rule of "
                + "thumb: the share goes with r, with the width of the model and with the modules that are chosen.")
        lines += ShareExample.all.map {
            line($0.title, ["", grouped($0.parameters), percent($0.share)], widths: widths)
        }
        return lines
    }

    private var workLines: [String] {
        var lines: [String] = []
        let what = work.isAssumed ? "examples a step (assumed)" : "examples"
        lines += wrapped(
            "\(grouped(work.examples)) \(what), \(grouped(work.tokens)) tokens, \(grouped(work.trainedTokens)) of them trained; "
                + "the longest has \(grouped(work.longest))", indent: "  ")
        let steps = work.steps.map { counted($0, "step", "steps") } ?? "an unknown number of steps"
        lines += wrapped(
            "\(steps) of \(grouped(Int(work.tokensPerStep.rounded()))) tokens in \(fixed(work.piecesPerStep, 1)) micro-batches, the largest of "
                + "\(grouped(work.largestPiece)) tokens", indent: "  ")
        if work.evaluations > 0 {
            lines.append(
                counted(work.evaluations, "evaluation", "evaluations")
                    + " of \(grouped(work.heldOutTokens)) held-out tokens")
        }
        let flops = work.flopsPerToken
        let parts = [
            ("linear maps", flops.linear), ("LoRA", flops.lora), ("attention", flops.attention), ("head", flops.head),
        ]
        lines += wrapped(
            "\(fixed(flops.total * 1e-6, 1)) MFLOP a token: "
                + parts.map { "\($0.0) \(fixed($0.1 * 1e-6, 1))" }.joined(separator: ", "), indent: "  ")
        lines.append("Each rank sends \(bytes(allReduceBytes)) into the sum of a step's gradients.")
        return lines
    }

    private var memoryLines: [String] {
        let widths = [29, 17, 17, 17]
        let names = memory.indices.map { memory[$0].name + ($0 == configured ? " *" : "") }
        var lines = [line("of each rank", names, widths: widths)]
        func row(_ name: String, _ value: (MemoryFigures) -> Int) {
            lines.append(line(name, memory.map { value($0) == 0 ? "–" : bytes(value($0)) }, widths: widths))
        }
        row("trained values", \.values)
        row("sums of gradients", \.gradients)
        row("moments of AdamW", \.moments)
        if memory.contains(where: { $0.best > 0 }) { row("values of the best evaluation", \.best) }
        row("activations (arena)", \.arena)
        row("scratch and buffers", \.buffers)
        row("program, tokenizer, data", \.overhead)
        row("a rank in all", \.rank)
        row("base, once per node", \.base)
        if memory.contains(where: { $0.placement == .nodeShared }) { row("shared by a node in all", \.shared) }
        row("a node of \(counted(fit.ranksPerNode, "rank", "ranks"))") { $0.node(ranks: fit.ranksPerNode) }
        lines.append("* as configured")
        lines.append(
            "activation_checkpointing: \(checkpointing)\(isCheckpointingChosen ? " (chosen by auto)" : ""), "
                + "micro_batch_tokens: \(microBatchTokens)")
        if memory[configured].placement == .nodeShared {
            lines += wrapped(
                "Trained values and moments stand once per node (training.state_placement), but for full fine-tuning, where each "
                    + "rank has them.")
        }
        if let embedding = memory.map(\.embedding).max(), embedding > 0 {
            lines += wrapped(
                "Of the embedding (\(bytes(embedding))) only the rows of a batch's tokens are read; it is not counted.")
        }
        lines += wrapped(
            "Full fine-tuning: 16 bytes a parameter for mixed-precision AdamW (weights and gradients in 16 bits, a copy and two "
                + "moments in 32; Rajbhandari et al. 2020), with the same activations.")
        return lines
    }

    private var timeLines: [String] {
        var lines = wrapped(speed.text)
        let widths = [5, 6, 9, 10, 9, 10, 10, 11, 10]
        lines.append(
            line(
                "ranks", ["nodes", "threads", "s a step", "in sums", "tokens/s", "of ideal", "run", "node"],
                widths: widths))
        lines += scaling.map { row in
            line(
                "\(row.ranks)",
                [
                    "\(row.nodes)", "\(row.threads)", duration(row.stepSeconds), duration(row.sumSeconds),
                    fixed(row.tokensPerSecond, row.tokensPerSecond < 100 ? 1 : 0),
                    fixed(row.efficiency * 100, 0) + " %",
                    row.runSeconds.map(clock) ?? "–", gibibytes(row.nodeBytes),
                ], widths: widths)
        }
        return lines
    }
}

private func gibibytes(_ count: Int) -> String { fixed(Double(count) / 1_073_741_824, 1) + " GiB" }

extension SpeedFigures {
    fileprivate var text: String {
        let network =
            "Network: \(fixed(networkGigabits, 1)) Gbit/s a node, \(fixed(latencySeconds * 1e6, 0)) µs a message."
        let threads = "\(threads) \(threads == 1 ? "thread" : "threads")"
        if isGiven {
            return
                "From a raw rate of \(fixed(rawFLOPS * 1e-9, 1)) GFLOP/s a rank of \(threads) (--gflops), of which a step is "
                + "taken to reach \(fixed(stepFLOPS / rawFLOPS * 100, 0)) %. \(network)"
        }
        return
            "Measured here in \(fixed(seconds, 1)) s: \(layers) \(layers == 1 ? "layer" : "layers") at \(tokens) tokens on "
            + "\(threads), \(fixed(stepFLOPS * 1e-9, 1)) GFLOP/s where raw products reach \(fixed(rawFLOPS * 1e-9, 1)). "
            + network
    }
}

extension FitFigures {
    private var node: String { "a node of \(counted(ranksPerNode, "rank", "ranks")) needs up to \(bytes(needed))" }
    private var memory: String {
        isGiven ? "the \(bytes(available)) given with --memory" : "the \(bytes(available)) that this machine has free"
    }
    private var advice: String {
        guard let first = changes.first else { return "" }
        let enough = changes.filter { $0.needed <= available }
        if enough.isEmpty { return "; even \(first.change) would need \(bytes(first.needed))" }
        return "; enough would be " + enough.map { "\($0.change) (\(bytes($0.needed)))" }.joined(separator: ", or ")
    }

    fileprivate var text: String {
        fits ? "Yes: \(node) of \(memory)." : "NO: \(node), more than \(memory)\(advice)."
    }

    /// What ends the command where the run does not fit.
    var refusal: String { "the run does not fit: \(node), more than \(memory)\(advice)" }
}
