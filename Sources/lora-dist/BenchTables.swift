import Models
import Training

extension BenchmarkSetting {
    /// What the figures below it are of.
    fileprivate var lines: [String] {
        [
            model, library,
            "\(precision), LoRA r = \(rank) with \(grouped(trainableParameters)) parameters, \(grouped(tokens)) tokens a step",
            "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(threads) \(threads == 1 ? "thread" : "threads") each",
        ]
    }
}

/// Cells of a line, the first from the left, the others from the right.
private func line(_ first: String, _ cells: String..., widths: [Int]) -> String {
    zip(cells, widths.dropFirst()).reduce(first.padded(to: widths[0])) { line, cell in
        line + String(repeating: " ", count: max(1, cell.1 - cell.0.count)) + cell.0
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

private func percent(_ share: Double) -> String { fixed(share * 100, 1) + " %" }
private func giga(_ value: Double) -> String { fixed(value * 1e-9, 1) }

extension BenchmarkResult {
    /// The result for people, at most 80 columns wide but for the names of model and library.
    var table: String {
        let widths = [24, 12, 12, 14]
        var lines = setting.lines
        lines += [
            "",
            "\(fixed(tokensPerSecond, 1)) tokens/s, \(fixed(seconds, 3)) s a step "
                + "(\(fixed(shortest, 3)) to \(fixed(longest, 3)))",
        ]
        if setting.ranks > 1 { lines.append("\(fixed(allRanks.tokensPerSecond, 1)) tokens/s of all ranks") }
        lines += ["", line("phase", "seconds", "share", widths: widths)]
        let whole = phases.reduce(0) { $0 + $1.seconds }
        lines += phases.map {
            line($0.phase.title, fixed($0.seconds, 4), percent($0.seconds / whole), widths: widths)
        }
        let flops = flopsPerToken
        lines += ["", line("part", "MFLOP/token", "share", widths: widths)]
        for (name, value) in [
            ("linear", flops.linear), ("LoRA", flops.lora), ("attention", flops.attention), ("head", flops.head),
            ("all", flops.total),
        ] { lines.append(line(name, fixed(value * 1e-6, 2), percent(value / flops.total), widths: widths)) }
        lines += [
            "", line("rate", "GFLOP/s", "step's share", widths: widths),
            line("step (model FLOPs)", giga(modelFLOPS), "", widths: widths),
            line("sgemm, raw", giga(gemmFLOPS), percent(shareOfGEMM), widths: widths),
            line("bf16 kernel, raw", giga(bf16FLOPS), percent(shareOfBF16), widths: widths),
        ]
        lines += [
            "", line("gradient sums, ms", "exact", "floats", widths: widths),
            line("a micro-batch", fixed(sumCost.adding * 1e3, 2), fixed(sumCost.plainAdding * 1e3, 2), widths: widths),
        ]
        if setting.ranks > 1 {
            lines.append(
                line(
                    "over ranks", fixed(sumCost.reducing * 1e3, 2), fixed(sumCost.plainReducing * 1e3, 2),
                    widths: widths))
        }
        lines.append(line("exact more, of a step", percent(sumCost.extra / seconds), widths: widths))
        let isShared = setting.ranks > 1
        let (own, all) = (memory, allRanks.memory)
        func memoryLine(_ name: String, _ own: Int, _ all: Int?) -> String {
            line(name, bytes(own), isShared ? all.map(bytes) ?? "" : "", widths: widths)
        }
        lines += [
            "", line("memory", isShared ? "rank 0" : "bytes", isShared ? "all ranks" : "", widths: widths),
            memoryLine("private", own.privateBytes, all.privateBytes), memoryLine("shared", own.sharedBytes, nil),
            memoryLine("part (PSS)", own.proportionalBytes, all.proportionalBytes),
            memoryLine("anonymous", own.anonymousBytes, all.anonymousBytes),
            memoryLine("part, anonymous", own.proportionalAnonymousBytes, all.proportionalAnonymousBytes),
            memoryLine("part, shared memory", own.proportionalSharedBytes, all.proportionalSharedBytes),
            memoryLine("peak resident", own.peakBytes, nil), memoryLine("arena and scratch", arenaBytes, nil),
            memoryLine("base that a step reads", baseBytes, nil),
            line("a node, with its base", bytes(nodeBytes), "", widths: widths),
            "activation_checkpointing: \(checkpointing), state_placement: \(placement)",
        ]
        return lines.map(trimmed).joined(separator: "\n")
    }
}

extension ProductSweep {
    /// The result for people, at most 80 columns wide but for the names of model and library.
    var table: String {
        let widths = [8, 9, 8, 8, 8, 11, 10, 10]
        var lines = setting.lines
        lines += [
            "raw kernel (\(setting.precision == "bf16" ? "bf16" : "sgemm")): \(giga(kernelFLOPS)) GFLOP/s", "",
            line("module", "product", "rows", "columns", "inner", "ms", "GFLOP/s", "share", widths: widths),
        ]
        lines += products.map {
            line(
                $0.module, $0.formula, "\($0.rows)", "\($0.columns)", "\($0.inner)", fixed($0.seconds * 1e3, 2),
                giga($0.flops), percent($0.share), widths: widths)
        }
        return lines.map(trimmed).joined(separator: "\n")
    }
}

private func trimmed(_ line: String) -> String {
    var line = line[...]
    while line.last == " " { line.removeLast() }
    return String(line)
}

extension PhaseClock.Phase {
    fileprivate var title: String {
        switch self {
        case .forward: "layers forward"
        case .head: "head, loss and gradient"
        case .backward: "layers backward"
        case .update: "update (AdamW)"
        }
    }
}
