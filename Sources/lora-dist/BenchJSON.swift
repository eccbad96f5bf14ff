import JSONText
import Models
import Training

private func object(_ members: [(key: String, value: JSON)]) -> JSON { .object(JSONObject(members)) }
private func integer(_ value: Int) -> JSON { .integer(Int64(value)) }

extension BenchmarkSetting {
    fileprivate var members: [(key: String, value: JSON)] {
        [
            ("model", .string(model)), ("dtype", .string(precision)), ("ranks", integer(ranks)),
            ("threads", integer(threads)), ("tokens", integer(tokens)), ("r", integer(rank)),
            ("trainable_parameters", integer(trainableParameters)), ("library", .string(library)),
        ]
    }
}

extension ProcessMemory {
    fileprivate var json: JSON {
        object([
            ("private_bytes", integer(privateBytes)), ("shared_bytes", integer(sharedBytes)),
            ("pss_bytes", integer(proportionalBytes)), ("anonymous_bytes", integer(anonymousBytes)),
            ("pss_anonymous_bytes", integer(proportionalAnonymousBytes)),
            ("pss_shared_bytes", integer(proportionalSharedBytes)),
            ("peak_bytes", integer(peakBytes)),
        ])
    }
}

extension BenchmarkResult {
    /// The result for programs.
    var json: JSON {
        let flops = flopsPerToken
        return object(
            setting.members + [
                ("example_tokens", integer(setting.exampleTokens)), ("seconds", .number(seconds)),
                ("shortest_seconds", .number(shortest)), ("longest_seconds", .number(longest)),
                ("tokens_per_second", .number(tokensPerSecond)),
                ("phase_seconds", object(phases.map { ($0.phase.rawValue, .number($0.seconds)) })),
                (
                    "flops_per_token",
                    object([
                        ("linear", .number(flops.linear)), ("lora", .number(flops.lora)),
                        ("attention", .number(flops.attention)), ("head", .number(flops.head)),
                    ])
                ),
                ("model_flops_per_second", .number(modelFLOPS)), ("sgemm_flops_per_second", .number(gemmFLOPS)),
                ("bf16_flops_per_second", .number(bf16FLOPS)), ("share_of_sgemm", .number(shareOfGEMM)),
                ("share_of_bf16", .number(shareOfBF16)),
                (
                    "sum_seconds",
                    object([
                        ("exact_add", .number(sumCost.adding)), ("exact_all_reduce", .number(sumCost.reducing)),
                        ("plain_add", .number(sumCost.plainAdding)),
                        ("plain_all_reduce", .number(sumCost.plainReducing)),
                    ])
                ), ("activation_checkpointing", .string(checkpointing)), ("state_placement", .string(placement)),
                ("arena_bytes", integer(arenaBytes)), ("base_step_bytes", integer(baseBytes)),
                ("node_bytes", integer(nodeBytes)), ("memory", memory.json),
                (
                    "all_ranks",
                    object([
                        ("tokens_per_second", .number(allRanks.tokensPerSecond)), ("memory", allRanks.memory.json),
                    ])
                ),
            ])
    }
}

extension ProductSweep {
    /// The result for programs.
    var json: JSON {
        object(
            setting.members + [
                ("kernel_flops_per_second", .number(kernelFLOPS)),
                (
                    "products",
                    .array(
                        products.map {
                            object([
                                ("module", .string($0.module)), ("product", .string($0.formula)),
                                ("rows", integer($0.rows)), ("columns", integer($0.columns)),
                                ("inner", integer($0.inner)), ("seconds", .number($0.seconds)),
                                ("flops_per_second", .number($0.flops)), ("share_of_kernel", .number($0.share)),
                            ])
                        })
                ),
            ])
    }
}
