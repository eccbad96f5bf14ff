import Layers
import LoRA
public import Tensors

extension Decoder {
    /// Computes what follows from the adapter's values and is the same for every pass until they change: the norms of DoRA, which
    /// count as constants in the backward pass. To be called before the first pass with new values.
    /// - Parameter workers: share the work.
    public func prepare(on workers: Workers) {
        guard let adapter, adapter.norms != nil else { return }
        for layer in layers {
            for group in [layer.attentionInput, layer.attentionOutput, layer.mlpInput, layer.mlpOutput] {
                group.prepare(adapter.values, on: workers)
            }
        }
    }
}

extension Adapter {
    /// What a layer needs to know of each module, by path.
    var projectionAdapters: [String: Projection.Adapter] {
        Dictionary(
            uniqueKeysWithValues: modules.enumerated().map { index, module in
                let magnitude = module.magnitude.map {
                    Projection.Magnitude(entry: $0, norms: norms!, index: index)
                }
                return (
                    module.path,
                    Projection.Adapter(
                        a: module.a, b: module.b, rank: module.rank, scale: module.scale, magnitude: magnitude,
                        initial: initial)
                )
            })
    }
}
