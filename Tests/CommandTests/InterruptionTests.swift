import Foundation
import JSONText
import Testing

extension ProgramTests {
    /// Runs that are asked to stop, or whose ranks die, hang or find the disk full.
    @Suite struct InterruptionTests {
        private let tiny: TinyRun
        private let arguments: [String]

        init() throws {
            tiny = try TinyRun()
            let settings = [
                "training.max_steps=100000", "training.save_steps=20", "training.learning_rate=1e-4",
                "training.logging_steps=100000", "training.collective_timeout=2", "training.stop_grace=2",
                "training.save_total_limit=3", "data.template_date=2025-01-01",
            ]
            arguments = ["train", "--config", "good.yaml"] + settings.flatMap { ["--set", $0] }
        }

        private func launch(_ more: String..., ranks: Int? = nil, shell: String? = nil) throws -> Launch {
            let launch = try Launch(arguments + more, ranks: ranks, in: tiny.path, shell: shell)
            return launch
        }

        private var checkpoints: [Int] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(tiny.path)/run/checkpoints")) ?? []
            return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }.sorted()
        }

        /// Stops a run as a user would, and goes on.
        private func stops(_ signal: Int32, ranks: Int?) throws {
            let first = try launch(ranks: ranks)
            try first.wait { checkpoints.count > 1 }
            first.send(signal)
            let outcome = try first.end(within: 20)
            #expect(outcome.exitCode == 75, "\(outcome)")
            #expect(outcome.stderr.contains("stopped on a signal after step "), "\(outcome)")
            #expect(!outcome.stderr.contains("Error: "), "\(outcome)")
            let status = try JSON(parsing: tiny.bytes("run/status.json"))
            #expect(status["state"]?.string == "stopped", "\(status.text())")
            let last = try #require(checkpoints.last)
            #expect(status["step"]?.int == last)

            let second = try launch("--resume", "auto", "--stop-after", "3s")
            let resumed = try second.end(within: 20)
            #expect(resumed.exitCode == 75 && resumed.stderr.contains("after step \(last) of 100000"), "\(resumed)")
            #expect(resumed.stderr.contains("stopped before its time is up"), "\(resumed)")
        }

        @Test(arguments: [SIGUSR1, SIGTERM, SIGINT]) func oneProcessStops(_ signal: Int32) throws {
            try stops(signal, ranks: nil)
        }

        @Test func mpirunForwardsSIGUSR1() throws { try stops(SIGUSR1, ranks: 3) }

        /// A process that is killed at a bad moment loses what came after the last checkpoint, no more.
        @Test func killedRank() throws {
            let first = try launch(ranks: 2)
            try first.wait { checkpoints.count > 1 }
            kill(try #require(first.ranks.last), SIGKILL)
            let outcome = try first.end(within: 20)
            #expect(outcome.exitCode != 0 && outcome.exitCode != 75, "\(outcome)")
            let last = try #require(checkpoints.last)
            let resumed = try launch("--resume", "auto", "--stop-after", "2s").end(within: 20)
            #expect(resumed.exitCode == 75 && resumed.stderr.contains("is taken over"), "\(resumed)")
            #expect(resumed.stderr.contains("after step \(last) of 100000"), "\(resumed)")
        }

        @Test(arguments: [0, 1, 2]) func rankThatHangs(_ which: Int) throws {
            let first = try launch(ranks: 3)
            try first.wait { checkpoints.count > 1 && first.ranks.count == 3 }
            kill(first.ranks[which], SIGSTOP)
            let outcome = try first.end(within: 15)
            #expect(outcome.exitCode == 1, "\(outcome)")
            #expect(outcome.errors.contains { $0.contains("hangs: no progress for 2 s, in step ") }, "\(outcome)")
        }

        /// The step cannot end, because a rank stands still: rank 0 saves what was completed. Where ranks share the state, the one
        /// that stands still may have left it half changed, and the last checkpoint is what there is; the next try may stop it at
        /// any other moment.
        @Test(arguments: ["private", "node_shared"]) func stepThatDoesNotEnd(placement: String) throws {
            let setting = ["--set", "training.state_placement=\(placement)", "--resume", "auto"]
            func stop() throws -> Outcome {
                let before = checkpoints.last ?? 0
                let first = try Launch(
                    arguments + ["--set", "training.collective_timeout=60"] + setting, ranks: 2, in: tiny.path)
                try first.wait { (checkpoints.last ?? 0) > before + 20 && first.ranks.count == 2 }
                kill(first.ranks[1], SIGSTOP)
                Thread.sleep(forTimeInterval: 0.3)
                first.send(SIGUSR1)
                return try first.end(within: 20)
            }
            var outcome = try stop()
            for _ in 0..<3
            where placement == "node_shared"
                && outcome.stderr.contains("a rank of this node stands still amid an update")
            {
                #expect(outcome.exitCode == 1, "\(outcome)")
                outcome = try stop()
            }
            #expect(outcome.exitCode == 75, "\(outcome)")
            #expect(
                outcome.stderr.contains("the last completed update is saved in run/checkpoints/step-"), "\(outcome)")
            let resumed = try Launch(arguments + setting + ["--stop-after", "2s"], in: tiny.path).end(within: 20)
            #expect(resumed.exitCode == 75, "\(resumed)")
        }

        @Test func twoRunsInOneFolder() throws {
            let first = try launch()
            try first.wait { !checkpoints.isEmpty }
            for more in ["--resume=auto", "--overwrite"] {
                let second = try launch(more).end(within: 20)
                #expect(second.exitCode == 2 && second.errors.count == 1, "\(second)")
                #expect(second.errors.first?.contains("another run writes to run: process ") == true, "\(second)")
            }
            first.send(SIGUSR1)
            #expect(try first.end(within: 20).exitCode == 75)
        }

        /// A job that its queue starts again, twice at once: one goes on, the other is told so and touches nothing.
        @Test func requeuedTwice() throws {
            let begun = try launch(ranks: 2)
            try begun.wait { checkpoints.count > 1 }
            for rank in begun.ranks { kill(rank, SIGKILL) }
            _ = try begun.end(within: 20)
            let last = try #require(checkpoints.last)
            let both = try [1, 2].map { try launch("--resume", "auto", "--stop-after", "4s", ranks: $0) }
            let ends = try both.map { try $0.end(within: 30) }
            let (went, refused) = ends[0].exitCode == 75 ? (ends[0], ends[1]) : (ends[1], ends[0])
            #expect(went.exitCode == 75 && went.stderr.contains("after step \(last) of 100000"), "\(went)")
            #expect(refused.exitCode == 2 && refused.stderr.contains("another run writes to"), "\(refused)")
            let steps = try tiny.events(of: "step").compactMap { $0["step"]?.int }
            #expect(steps == Array(1...steps.count))
            #expect(try #require(checkpoints.last) == steps.count)
        }

        /// Files may not grow beyond what the adapter needs: no checkpoint can be saved.
        @Test func fullDisk() throws {
            let shell = "trap '' XFSZ; ulimit -f 12"
            let on = try launch("--set", "training.max_steps=30", shell: shell).end(within: 60)
            #expect(on.exitCode == 0, "\(on)")
            #expect(on.stderr.contains("A CHECKPOINT COULD NOT BE SAVED: run/checkpoints/.step-20.partial/"), "\(on)")
            #expect(on.stderr.contains("training goes on"), "\(on)")
            #expect(checkpoints.isEmpty)
            let stopped = try launch(
                "--overwrite", "--set", "training.on_save_error=stop", shell: shell
            ).end(within: 60)
            #expect(stopped.exitCode == 3 && stopped.stderr.contains("could not be saved"), "\(stopped)")
        }

        /// A bit of the adapter is flipped in the memory of one rank, where each has its own: the audit names it.
        @Test func flippedBit() throws {
            let first = try Launch(
                arguments
                    + [
                        "training.audit_steps=10", "training.max_steps=10000000", "training.state_placement=private",
                    ].flatMap { ["--set", $0] }, ranks: 3, in: tiny.path)
            try first.wait { checkpoints.count > 1 && first.ranks.count == 3 }
            let rank = first.ranks[2]
            kill(rank, SIGSTOP)
            Thread.sleep(forTimeInterval: 0.2)
            let last = try #require(checkpoints.last)
            let file = try tiny.bytes("run/checkpoints/step-\(last)/adapter_model.safetensors")
            // The values of A change little from step to step, so that they are found by their size.
            let places = try Self.lastA(of: file)
            #expect(flip(in: rank, near: Array(file[places])), "the adapter was not found in the process")
            kill(rank, SIGCONT)
            let outcome = try first.end(within: 30)
            #expect(outcome.exitCode == 1, "\(outcome)")
            #expect(outcome.errors.first?.contains("are not the same on all ranks after step ") == true, "\(outcome)")
            #expect(outcome.errors.first?.contains("rank 2 on ") == true, "\(outcome)")
        }

        /// The bytes of the first 16 numbers of the last lora_A in a safetensors file.
        private static func lastA(of file: [UInt8]) throws -> Range<Int> {
            let header = file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let tensors = try JSON(parsing: Array(file[8..<8 + header])).object!.members
            let last = try #require(tensors.last { $0.key.hasSuffix("lora_A.weight") })
            let start = 8 + header + (last.value["data_offsets"]?.array?.first?.int ?? 0)
            return start..<start + 64
        }

        @Test func skippedStep() throws {
            let settings = ["training.learning_rate=1e6", "training.max_steps=6"]
            let stops = try run(
                ["train", "--config", "good.yaml"] + settings.flatMap { ["--set", $0] }, in: tiny.path)
            #expect(stops.exitCode == 1 && stops.errors.first?.contains("train.jsonl:") == true, "\(stops)")
            let skips = try run(
                ["train", "--config", "good.yaml", "--overwrite", "--set", "training.on_nonfinite=skip"]
                    + settings.flatMap { ["--set", $0] }, ranks: 2, in: tiny.path)
            #expect(skips.exitCode == 0 && skips.stderr.contains("the step is skipped"), "\(skips)")
            #expect(try tiny.events(of: "step").count == 6)
        }
    }
}
