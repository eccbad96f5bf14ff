import JSONText
import Models
import Training

private func object(_ members: [(key: String, value: JSON)]) -> JSON { .object(JSONObject(members)) }
private func integer(_ value: Int) -> JSON { .integer(Int64(value)) }

extension RunPlan {
    /// The plan for programs. Bytes, seconds, and numbers a second.
    var json: JSON {
        object([
            ("model", .string(model)), ("dtype", .string(precision)),
            ("activation_checkpointing", .string(checkpointing)),
            ("micro_batch_tokens", integer(microBatchTokens)), ("base_parameters", integer(baseParameters)),
            ("adapter", adapter.json),
            (
                "share_examples",
                .array(
                    ShareExample.all.map {
                        object([
                            ("what", .string($0.title)), ("parameters", integer($0.parameters)),
                            ("share", .number($0.share)),
                        ])
                    })
            ),
            ("work", work.json), ("all_reduce_bytes", integer(allReduceBytes)),
            ("memory", object(zip(["full", "lora", "qlora"], memory).map { ($0, $1.json(ranks: fit.ranksPerNode)) })),
            ("configured", .string(configured == 2 ? "qlora" : "lora")), ("fit", fit.json), ("speed", speed.json),
            ("scaling", .array(scaling.map(\.json))), ("doubts", .array(doubts.map { .string($0) })),
            ("assumptions", .array(assumptions.map { .string($0) })),
        ])
    }
}

extension AdapterFigures {
    fileprivate var json: JSON {
        object([
            (
                "modules",
                object(
                    kinds.map {
                        ($0.kind, object([("matrices", integer($0.modules)), ("parameters", integer($0.parameters))]))
                    })
            ), ("parameters", integer(parameters)), ("share", .number(share)), ("file_bytes", integer(fileBytes)),
            ("checkpoint_bytes", integer(checkpointBytes)),
        ])
    }
}

extension WorkFigures {
    fileprivate var json: JSON {
        let flops = flopsPerToken
        return object([
            ("is_assumed", .bool(isAssumed)), ("examples", integer(examples)), ("tokens", integer(tokens)),
            ("trained_tokens", integer(trainedTokens)), ("longest", integer(longest)),
            ("steps", steps.map(integer) ?? .null), ("tokens_per_step", .number(tokensPerStep)),
            ("micro_batches_per_step", .number(piecesPerStep)), ("largest_micro_batch", integer(largestPiece)),
            ("evaluations", integer(evaluations)), ("held_out_tokens", integer(heldOutTokens)),
            (
                "flops_per_token",
                object([
                    ("linear", .number(flops.linear)), ("lora", .number(flops.lora)),
                    ("attention", .number(flops.attention)), ("head", .number(flops.head)),
                ])
            ),
        ])
    }
}

extension MemoryFigures {
    fileprivate func json(ranks: Int) -> JSON {
        object([
            ("values_bytes", integer(values)), ("gradients_bytes", integer(gradients)),
            ("moments_bytes", integer(moments)), ("best_bytes", integer(best)), ("arena_bytes", integer(arena)),
            ("buffers_bytes", integer(buffers)), ("overhead_bytes", integer(overhead)), ("rank_bytes", integer(rank)),
            ("base_bytes", integer(base)), ("embedding_bytes", integer(embedding)), ("shared_bytes", integer(shared)),
            ("node_bytes", integer(node(ranks: ranks))),
        ])
    }
}

extension FitFigures {
    fileprivate var json: JSON {
        object([
            ("fits", .bool(fits)), ("ranks_per_node", integer(ranksPerNode)), ("needed_bytes", integer(needed)),
            ("available_bytes", integer(available)),
            (
                "changes",
                .array(
                    changes.map {
                        object([("change", .string($0.change)), ("needed_bytes", integer($0.needed))])
                    })
            ),
        ])
    }
}

extension SpeedFigures {
    fileprivate var json: JSON {
        object([
            ("is_given", .bool(isGiven)), ("raw_flops_per_second", .number(rawFLOPS)),
            ("step_flops_per_second", .number(stepFLOPS)), ("threads", integer(threads)),
            ("measured_layers", integer(layers)), ("measured_tokens", integer(tokens)),
            ("measuring_seconds", .number(seconds)), ("network_gigabits_per_second", .number(networkGigabits)),
            ("latency_seconds", .number(latencySeconds)),
        ])
    }
}

extension ScalingFigures {
    fileprivate var json: JSON {
        object([
            ("ranks", integer(ranks)), ("nodes", integer(nodes)), ("threads", integer(threads)),
            ("step_seconds", .number(stepSeconds)), ("sum_seconds", .number(sumSeconds)),
            ("tokens_per_second", .number(tokensPerSecond)), ("efficiency", .number(efficiency)),
            ("run_seconds", runSeconds.map(JSON.number) ?? .null), ("node_bytes", integer(nodeBytes)),
        ])
    }
}
