import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// The benchmark: what it prints on a tiny model, and what it refuses.
    @Suite struct BenchTests {
        private let tiny: TinyRun
        private let short = ["--tokens", "48", "--example-tokens", "20", "--steps", "2", "--threads", "1"]

        init() throws { tiny = try TinyRun() }

        private func bench(_ arguments: String..., ranks: Int? = nil) throws -> Outcome {
            let outcome = try run(["bench"] + arguments + short, ranks: ranks, in: tiny.path)
            #expect(outcome.exitCode == 0 && outcome.stderr.isEmpty, "\(outcome)")
            return outcome
        }

        /// All keys of an object and of the objects in it, those of an array's first element too.
        private func keys(_ json: JSON, _ path: String = "") -> [String] {
            if let first = json.array?.first { return keys(first, path) }
            guard let members = json.object?.members else { return [path] }
            return members.flatMap { keys($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
        }

        private static let setting = [
            "model", "dtype", "ranks", "threads", "tokens", "r", "trainable_parameters", "library",
        ]
        private static let memory = [
            "private_bytes", "shared_bytes", "pss_bytes", "anonymous_bytes", "pss_anonymous_bytes", "pss_shared_bytes",
            "peak_bytes",
        ]
        private static let result: [String] = {
            var keys = setting
            keys += ["example_tokens", "seconds", "shortest_seconds", "longest_seconds", "tokens_per_second"]
            keys += ["forward", "head", "backward", "update"].map { "phase_seconds.\($0)" }
            keys += ["linear", "lora", "attention", "head"].map { "flops_per_token.\($0)" }
            keys += ["model_flops_per_second", "sgemm_flops_per_second", "bf16_flops_per_second"]
            keys += ["share_of_sgemm", "share_of_bf16"]
            keys += ["exact_add", "exact_all_reduce", "plain_add", "plain_all_reduce"].map { "sum_seconds.\($0)" }
            keys += ["activation_checkpointing", "state_placement", "arena_bytes", "base_step_bytes", "node_bytes"]
            keys += memory.map { "memory.\($0)" }
            keys += ["all_ranks.tokens_per_second"]
            keys += memory.map { "all_ranks.memory.\($0)" }
            return keys
        }()

        @Test(arguments: ["fp32", "bf16"]) func figures(dtype: String) throws {
            let outcome = try bench("--model", "model.gguf", "--json", "--set", "model.dtype=\(dtype)")
            let json = try JSON(parsing: outcome.stdout)
            #expect(keys(json) == Self.result)
            #expect(json["dtype"]?.string == dtype && json["ranks"]?.int == 1 && json["tokens"]?.int == 48)
            let seconds = try #require(json["seconds"]?.double)
            #expect(abs(json["tokens_per_second"]!.double! * seconds - 48) < 1e-6)
            let phases = json["phase_seconds"]!.object!.members.map { $0.value.double! }
            #expect(phases.allSatisfy { $0 > 0 })
            // Medians of two steps are means, so that parts and whole add up.
            #expect(abs(phases.reduce(0, +) - seconds) < 1e-6)
            #expect(json["shortest_seconds"]!.double! <= seconds && seconds <= json["longest_seconds"]!.double!)
            let flops = json["flops_per_token"]!.object!.members.reduce(0) { $0 + $1.value.double! }
            let rate = json["model_flops_per_second"]!.double!
            #expect(abs(flops * 48 / seconds / rate - 1) < 1e-9)
            let memory = try #require(json["memory"])
            #expect(memory["pss_bytes"]!.int! >= memory["private_bytes"]!.int!)
            #expect(memory["private_bytes"]!.int! > json["arena_bytes"]!.int! / 4)
            #expect(json["all_ranks"]?["tokens_per_second"]?.double == json["tokens_per_second"]?.double)
            #expect(json["all_ranks"]?["memory"]?["pss_bytes"]?.int == memory["pss_bytes"]?.int)
        }

        /// Under mpirun each rank takes the step, and sums are of both.
        @Test func twoRanks() throws {
            let json = try JSON(parsing: try bench("--model", "model", "--json", ranks: 2).stdout)
            #expect(keys(json) == Self.result)
            #expect(json["ranks"]?.int == 2)
            let (own, all) = (json["tokens_per_second"]!.double!, json["all_ranks"]!["tokens_per_second"]!.double!)
            #expect(all > own, "\(own) of \(all)")
            let memory = (json["memory"]!, json["all_ranks"]!["memory"]!)
            for name in Self.memory { #expect(memory.1[name]!.int! > memory.0[name]!.int! * 3 / 2, "\(name)") }
        }

        /// What is kept for the backward pass decides the arena, and the state stands once on a node, where it is asked for.
        @Test func memoryAsInTraining() throws {
            func json(_ settings: String..., ranks: Int? = nil) throws -> JSON {
                let outcome = try run(
                    ["bench", "--model", "model", "--json", "--set", "lora.r=64"] + settings.flatMap { ["--set", $0] }
                        + short,
                    ranks: ranks, in: tiny.path)
                #expect(outcome.exitCode == 0, "\(outcome)")
                return try JSON(parsing: outcome.stdout)
            }
            let all = try ["none", "selective", "block"].map { try json("training.activation_checkpointing=\($0)") }
            #expect(all.map { $0["activation_checkpointing"]?.string } == ["none", "selective", "block"])
            let arenas = all.map { $0["arena_bytes"]!.int! }
            #expect(arenas[2] < arenas[1] && arenas[1] < arenas[0], "\(arenas)")
            let node = all[0]["node_bytes"]!.int! - all[0]["base_step_bytes"]!.int!
            #expect(all[0]["base_step_bytes"]!.int! > 0)
            let own = ["pss_anonymous_bytes", "pss_shared_bytes"].reduce(0) { $0 + all[0]["memory"]![$1]!.int! }
            #expect(node == own)
            let (shared, separate) = (
                try json(ranks: 2), try json("training.state_placement=private", ranks: 2)
            )
            let state = 12 * all[0]["trainable_parameters"]!.int!
            let found = [shared, separate].map { $0["all_ranks"]!["memory"]!["pss_shared_bytes"]!.int! }
            #expect(found[0] >= found[1] + state * 9 / 10, "\(found), \(state)")
        }

        /// Containers may give ranks of one node host names of their own: they share its cores and memory as before.
        @Test(.enabled(if: mayNameHosts)) func ranksWithHostNamesOfTheirOwn() throws {
            func json(_ wrapper: [String]) throws -> JSON {
                let outcome = try run(
                    ["bench", "--model", "model", "--json"] + short.dropLast(2), ranks: 2, in: tiny.path,
                    wrapper: wrapper)
                #expect(outcome.exitCode == 0 && outcome.stderr.isEmpty, "\(outcome)")
                return try JSON(parsing: outcome.stdout)
            }
            let (alike, own) = (try json([]), try json(namingHosts))
            #expect(own["threads"]?.int == alike["threads"]?.int && own["threads"]?.int != nil)
            let memory = try #require(own["all_ranks"]?["memory"])
            let ranks = memory["pss_anonymous_bytes"]!.int! + memory["pss_shared_bytes"]!.int!
            #expect(own["node_bytes"]!.int! == ranks + own["base_step_bytes"]!.int!)
        }

        @Test func tablesAreNarrow() throws {
            for arguments in [["--model", "model"], ["--model", "model", "--gemm"]] {
                for ranks in [nil, 2] {
                    let outcome = try run(["bench"] + arguments + short, ranks: ranks, in: tiny.path)
                    #expect(outcome.exitCode == 0, "\(outcome)")
                    let lines = outcome.stdout.split(whereSeparator: \.isNewline)
                    #expect(lines.count > 20, "\(outcome)")
                    #expect(lines.dropFirst(2).allSatisfy { $0.count <= 80 }, "\(outcome)")
                }
            }
        }

        /// A row for each shape: four groups with six products each, and the head.
        @Test(arguments: ["fp32", "bf16"]) func productSweep(dtype: String) throws {
            let outcome = try bench(
                "--model", "model", "--gemm", "--json", "--set", "model.dtype=\(dtype)", "--set", "lora.r=3")
            let json = try JSON(parsing: outcome.stdout)
            let row = [
                "module", "product", "rows", "columns", "inner", "seconds", "flops_per_second", "share_of_kernel",
            ]
            #expect(keys(json) == Self.setting + ["kernel_flops_per_second"] + row.map { "products.\($0)" })
            #expect(json["dtype"]?.string == dtype && json["r"]?.int == 3)
            let products = try #require(json["products"]?.array)
            let names = products.map { "\($0["module"]!.string!): \($0["product"]!.string!)" }
            let formulas = ["x Wᵀ", "dy W", "x Aᵀ", "dy B", "dhᵀ x", "hᵀ dy"]
            #expect(
                names == ["q k v", "o", "gate up", "down"].flatMap { module in formulas.map { "\(module): \($0)" } }
                    + ["head: h Eᵀ, p E"])
            #expect(products[2]["columns"]?.int == 9 && products[4]["rows"]?.int == 9)
            for product in products {
                let shape = ["rows", "columns", "inner"].map { Double(product[$0]!.int!) }
                let rate = product["flops_per_second"]!.double! * product["seconds"]!.double!
                let operations = 2 * shape.reduce(1, *) * (product["module"]!.string == "head" ? 2 : 1)
                #expect(abs(rate / operations - 1) < 1e-9)
                #expect(product["share_of_kernel"]!.double! > 0)
            }
        }

        @Test func knownShape() throws {
            let outcome = try bench("--shape", "smollm2-135m", "--json")
            let json = try JSON(parsing: outcome.stdout)
            #expect(json["model"]?.string == "smollm2-135m (random weights in bf16)")
            #expect(json["trainable_parameters"]?.int == 4_884_480)
            #expect(json["memory"]!["anonymous_bytes"]!.int! > 269_000_000, "\(outcome)")
            #expect(outcome.seconds < 60)
        }

        @Test func refusals() throws {
            try expectRefusal(
                ["bench", "--shape", "llama-4"], code: 2,
                ["--shape", "llama-4", "smollm2-135m, llama-3.2-1b, llama-3.2-3b or llama-3.1-8b"], in: tiny.path)
            try expectRefusal(
                ["bench", "--shape", "smollm2-135m", "--model", "model"], code: 2, ["--shape", "--model"],
                in: tiny.path, ranks: [nil])
            try expectRefusal(["bench"], code: 2, ["model.path"], in: tiny.path, ranks: [nil])
            try expectRefusal(
                ["bench", "--model", "model", "--steps", "0"], code: 2, ["--steps", "at least 1"], in: tiny.path,
                ranks: [nil])
        }
    }
}
