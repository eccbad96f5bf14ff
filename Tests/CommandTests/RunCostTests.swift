import Foundation
import JSONText
import Testing

/// What runs on the checked model cost in memory and in time before the first step.
@Suite(.serialized) struct RunCostTests {
    private let tiny: TinyRun
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    init() throws { tiny = try TinyRun() }

    /// Base weights are mapped, not copied, and the adapter and its moments stand once on the node:
    /// ranks × (8 B × trainable parameters + the arena that is printed + 96 MiB) + 12 B × trainable parameters.
    @Test func memoryOfFourRanks() throws {
        try tiny.folder.write((0..<16).map(TinyRun.row).joined(), to: "short.jsonl")
        let settings = [
            "model.path=\(smolLM2)", "data.train=short.jsonl", "lora.r=16", "training.max_steps=6",
            "training.global_batch_size=8",
        ]
        let watch = try RunWatch(
            mpirun(4) + [executable, "train", "--config", "good.yaml"] + settings.flatMap { ["--set", $0] }, ranks: 4,
            in: tiny.path, watchesMemory: true)
        #expect(watch.exitCode == 0, "\(watch.stderr)")
        let started = try #require(try tiny.events(of: "started").first)
        #expect(try tiny.events(of: "step").count == 6)
        let parameters = started["trainable_parameters"]!.int!
        let limit = 4 * (8 * parameters + started["arena_bytes"]!.int! + 96 << 20) + 12 * parameters
        #expect(watch.moments > 10 && watch.privateDirty > 4 * 8 * parameters, "not seen at work: \(watch)")
        #expect(watch.privateDirty <= limit, "\(watch.privateDirty) bytes, at most \(limit)")
        print("figures: 4 ranks: \(watch.privateDirty >> 20) MiB of \(limit >> 20), seen \(watch.moments) times")
    }

    /// From the launch to the first forward, on the quickstart's data.
    @Test func startsAtOnce() throws {
        let alone = try medianStart(ranks: nil, data: "configs/quickstart/train.jsonl", limit: 0.5 * slowness)
        #expect(alone < 0.5 * slowness, "\(alone) s")
        print("figures: quickstart data, one process: \(alone) s to the first forward")
    }

    /// Under mpirun, what an empty MPI program takes comes on top.
    @Test func startsAtOnceUnderMPI() throws {
        let source = "#include <mpi.h>\nint main(void) { MPI_Init(0, 0); return MPI_Finalize(); }\n"
        try tiny.folder.write(source, to: "empty.c")
        let compiler = try RunWatch(["mpicc", "empty.c", "-o", "empty"], ranks: 1, in: tiny.path, watchesMemory: false)
        #expect(compiler.exitCode == 0, "\(compiler.stderr)")
        let measured = try medianStart(ranks: 2, data: "configs/quickstart/train.jsonl", limit: 0.5 * slowness) {
            let watch = try RunWatch(mpirun(2) + ["./empty"], ranks: 2, in: tiny.path, watchesMemory: false)
            #expect(watch.exitCode == 0, "\(watch.stderr)")
            return watch.seconds
        }
        #expect(measured < 0.5 * slowness, "\(measured) s more than an empty program")
        print("figures: quickstart data, 2 ranks: \(measured) s more to the first forward than an empty program takes")
    }

    /// 7,000 questions and answers, about as long as those of GSM8K.
    @Test func startsSoonOnSevenThousandRows() throws {
        let rows = (0..<7000).map { index in
            let question = (0..<12).map { "Anna has \((index * 7 + $0) % 97) apples and gives \($0) away." }
            let answer = (0..<9).map { "She keeps \((index * 3 + $0) % 89) - \($0) = <<\(index % 89)>> apples.\\n" }
            return #"{"messages": [{"role": "user", "content": "\#(question.joined(separator: " "))"}, "#
                + #"{"role": "assistant", "content": "\#(answer.joined())#### \#(index)"}]}"# + "\n"
        }
        let path = try tiny.folder.write(rows.joined(), to: "many.jsonl")
        let seconds = try medianStart(ranks: nil, data: path, limit: 2 * slowness)
        #expect(seconds < 2 * slowness, "\(seconds) s")
        let two = try medianStart(ranks: 2, data: path, limit: 2 * slowness)
        #expect(two < 2 * slowness, "\(two) s")
        let megabytes = Double(rows.joined().utf8.count) / 1e6
        print("figures: 7,000 rows, \(megabytes) MB: \(seconds) s as one process, \(two) s as two")
    }

    /// Seconds from the launch to the event `started`, behind which the first forward begins, less those of `base`,
    /// which runs in turns with it; the median of three runs. Other tests use the machine meanwhile, so that what takes
    /// longer than `limit` is measured again, a few times.
    private func medianStart(ranks: Int?, data: String, limit: Double, base: () throws -> Double = { 0 }) throws
        -> Double
    {
        var best = Double.infinity
        for _ in 0..<6 where best >= limit {
            best = min(best, try (0..<3).map { _ in try -base() + start(ranks: ranks, data: data) }.sorted()[1])
        }
        return best
    }

    /// Seconds from the launch of one run to its event `started`.
    private func start(ranks: Int?, data: String) throws -> Double {
        let config = Self.repository + "/configs/quickstart.yaml"
        let settings = [
            "model.path=\(smolLM2)", "data.train=\(data)", "output.dir=\(tiny.path)/start", "training.max_steps=1",
            "training.global_batch_size=1", "training.eval_steps=null", "data.eval=null", "data.max_length=1024",
        ]
        let watch = try RunWatch(
            (ranks.map(mpirun) ?? []) + [executable, "train", "--overwrite", "--config", config]
                + settings.flatMap { ["--set", $0] }, ranks: ranks ?? 1, in: Self.repository, watchesMemory: false)
        #expect(watch.exitCode == 0, "\(watch.stderr)")
        return try #require(try tiny.numbers("time", of: "started", "start").first) - watch.launch
    }
}
