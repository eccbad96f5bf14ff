import LoRA
import Models
import Tokenizers

/// What a run writes into its folder: metrics.jsonl, status.json, checkpoints/ and adapter/. Only rank 0 has this.
struct RunResults {
    let metrics: MetricsFile
    let status: StatusFile
    let adapterPath: String
    let checkpointsPath: String

    /// Writes the adapter as PEFT does, with the base's tokenizer files.
    func saveAdapter(_ adapter: Adapter, _ session: Session) throws {
        let trained = try PEFTFolder(
            config: session.adapterConfig!, tensors: adapter.namedTensors, initial: adapter.initialTensors)
        let folder = session.config.output.savePiSSAAs == .lora ? try trained.plain() : trained
        try folder.write(
            to: adapterPath, copying: session.tokenizer.filesToCopy.map { "\(session.base.path)/\($0)" },
            as: session.config.output.adapterDtype)
    }
}
