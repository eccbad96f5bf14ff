import Collectives
import Datasets
import LoRA
import Models
import Tensors

extension Trainer {
    private func data(longerThan positions: Int) -> Bool { max(train.longest, heldOut?.longest ?? 0) > positions }

    /// What is known before the first step.
    var summary: RunSummary {
        var hosts: [String] = []
        for host in world.hostNames where !hosts.contains(host) { hosts.append(host) }
        let pieces = engine.cut.pieces(train.sizes(of: plan.batch(0))).count
        var lines = train.report
        if let heldOut, session.config.data.evalSplit == nil { lines += heldOut.report }
        if session.config.data.evalSplit != nil {
            lines.append("held out: \(heldOutRows.count) of the examples (data.eval_split)")
        }
        lines += partsReport
        if isChosen {
            lines.append("training.activation_checkpointing: auto takes \(config.activationCheckpointing.rawValue)")
        }
        if data(longerThan: session.base.config.maxPositions) {
            lines.append(
                "the longest example has more tokens than the \(session.base.config.maxPositions) positions that the model was "
                    + "trained for; lower data.max_length")
        }
        if config.globalBatchSize < world.size {
            lines.append(
                "\(world.size - config.globalBatchSize) ranks idle: training.global_batch_size is \(config.globalBatchSize) for "
                    + "\(world.size) ranks; raise it to use them all")
        } else if pieces % world.size != 0 {
            lines.append(
                "a step has \(pieces) micro-batches for \(world.size) ranks"
                    + (pieces < world.size ? ", \(world.size - pieces) ranks idle" : "")
                    + "; training.micro_batches_per_step: \((pieces + world.size - 1) / world.size * world.size) "
                    + "would keep all busy")
        }
        return RunSummary(
            ranks: world.size, hosts: hosts, threadsPerRank: engine.workers.count, model: session.base.description,
            trainableParameters: adapter.parameterCount,
            totalParameters: session.base.config.parameterCount + adapter.parameterCount,
            allReduceBytesPerStep: adapter.parameterCount * 8,
            arenaBytes: engine.arena.capacity + engine.workers.scratchBytes,
            totalSteps: totalSteps, dataReport: lines)
    }
}

extension Trainer {
    /// What is trained beside A and B, and what training does to embeddings and targets.
    private var partsReport: [String] {
        var lines: [String] = []
        if !adapter.biases.isEmpty { lines.append("trained with the adapter: \(adapter.biases.count) biases") }
        let whole = AdapterConfig.WholeModule.allCases.filter { adapter.whole[$0] != nil }.map(\.rawValue)
        if !whole.isEmpty {
            let entry = adapter.values.layout.entries[adapter.whole.values.first!]
            lines.append(
                "trained whole: \(whole.joined(separator: ", ")), \(entry.rows) × \(entry.columns) numbers each")
            if session.base.config.tiedEmbeddings {
                lines.append(
                    "embed_tokens and lm_head are one table in this model; what is trained becomes a table of its own, as in "
                        + "PEFT without ensure_weight_tying")
            }
        }
        return lines
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension BaseModel {
    /// Name and form, for the log.
    var description: String {
        let form = gguf == nil ? "Hugging Face folder" : "GGUF"
        return
            "\(name) (\(form), \(config.layers) layers, hidden \(config.hidden), \(layers[0].linears[.q]!.weight.formatName))"
    }
}
