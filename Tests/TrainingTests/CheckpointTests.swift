import Foundation
import JSONText
import LoRA
import Tensors
import Testing

@testable import Training

@Suite struct CheckpointTests {
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoint-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("first\nsecond\nthird\n".utf8).write(to: URL(filePath: folder + "/metrics.jsonl"))
    }

    private func remove() { try? FileManager.default.removeItem(atPath: folder) }

    private static let layout: ParameterLayout = {
        var layout = ParameterLayout()
        _ = layout.append("model.layers.0.q.lora_A.weight", rows: 2, columns: 5)
        _ = layout.append("model.layers.0.q.lora_B.weight", rows: 3, columns: 2)
        return layout
    }()

    private func slab(_ first: Float) -> ParameterSlab {
        let slab = ParameterSlab(Self.layout)
        for index in 0..<2 {
            let matrix = slab[index]
            for row in 0..<matrix.rows {
                for column in 0..<matrix.columns {
                    matrix[row, column] = first + Float(index * 100 + row * 10 + column)
                }
            }
        }
        return slab
    }

    private func content(_ steps: Int, best: [UInt8] = []) -> CheckpointWriter.Content {
        var progress = RunProgress()
        progress.steps = steps
        progress.updates = steps - 1
        progress.tokens = 1234
        progress.seconds = 0.5
        progress.best = EvaluationRecord(step: 2, loss: 1.25, perplexity: 3.5, isBest: true)
        progress.evaluatedSteps = 3
        var identity = RunIdentity()
        identity.base = "b"
        return CheckpointWriter.Content(
            folder: .after(steps, in: folder),
            adapterConfig: AdapterConfig(r: 2, loraAlpha: 4, targetModules: .allLinear),
            modules: ["model.layers.0.q"], values: slab(0.5), m: slab(1000), v: slab(2000), best: best,
            state: CheckpointState(
                progress: progress, config: RunConfig().tree, identity: identity, fingerprint: "f", baseSHA256: nil),
            configText: "a: b\n", metricsPath: folder + "/metrics.jsonl", metricsBytes: 13,
            waitingMetrics: Data("w\n".utf8),
            copied: [], tick: {})
    }

    @Test func comesBackAsItWas() throws {
        defer { remove() }
        let writer = CheckpointWriter()
        writer.start(content(7, best: slab(9).bytes))
        #expect(writer.isBusy)
        let written = try #require(try writer.finish())
        #expect(!writer.isBusy && written.steps == 7 && written.isWhole)
        #expect(try writer.finish() == nil)

        let reader = try CheckpointReader(CheckpointFolder(path: folder + "/step-7"))
        let (values, m, v) = (slab(0), slab(0), slab(0))
        let best = try reader.load(values: values, m: m, v: v)
        #expect(values.bytes == slab(0.5).bytes && m.bytes == slab(1000).bytes && v.bytes == slab(2000).bytes)
        #expect(best == slab(9).bytes)
        #expect(reader.state.progress == content(7).state.progress && reader.state.identity.base == "b")
        #expect(reader.state.config.text() == RunConfig().tree.text())
        let metrics = try String(contentsOfFile: folder + "/step-7/metrics.jsonl", encoding: .utf8)
        #expect(metrics == "first\nsecond\nw\n")
        #expect(try PEFTFolder.read(folder + "/step-7").tensors.count == 2)
    }

    @Test func whatIsNotGoodGoesAway() throws {
        defer { remove() }
        let writer = CheckpointWriter()
        writer.start(content(3))
        #expect(try writer.finish(isGood: false) == nil)
        #expect(CheckpointFolder.all(in: folder).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["metrics.jsonl"])
    }

    @Test func anotherOfTheSameNameIsSetAside() throws {
        defer { remove() }
        try CheckpointWriter.save(content(3), suffix: ".x")
        try Data("spoiled".utf8).write(to: URL(filePath: folder + "/step-3/state.json"))
        let writer = CheckpointWriter()
        writer.start(content(3))
        #expect(try writer.finish()?.isWhole == true)
        #expect(FileManager.default.fileExists(atPath: folder + "/step-3.old-1/state.json"))
    }

    /// A byte changed, cut off or added anywhere is found.
    @Test func everyDamageIsFound() throws {
        defer { remove() }
        try CheckpointWriter.save(content(3), suffix: ".x")
        let checkpoint = CheckpointFolder.after(3, in: folder)
        for name in try FileManager.default.contentsOfDirectory(atPath: checkpoint.path) {
            let url = URL(filePath: "\(checkpoint.path)/\(name)")
            let whole = try Data(contentsOf: url)
            for place in stride(from: 0, to: whole.count, by: max(1, whole.count / 40)) {
                var other = whole
                other[place] ^= 4
                try other.write(to: url)
                #expect(throws: (any Error).self, "\(name), byte \(place)") { try CheckpointReader(checkpoint) }
                try whole.prefix(place).write(to: url)
                #expect(throws: (any Error).self, "\(name) cut at \(place)") { try CheckpointReader(checkpoint) }
            }
            try FileManager.default.removeItem(at: url)
            #expect(throws: (any Error).self, "\(name) removed") { try CheckpointReader(checkpoint) }
            try whole.write(to: url)
            #expect(checkpoint.isWhole)
        }
    }

    /// Whatever stands in a state, it is read or refused in order, and what was read can be gone on from.
    @Test func statesFromStrangers() throws {
        defer { remove() }
        let whole = Array(content(3).state.json.text(indent: 1).utf8)
        let numbers = [
            "9223372036854775807", "-9223372036854775808", "1e999", "-1", "0", "2147483648", "null", "\"\"", "[]",
        ]
        let random = CounterRandom(seed: 1, purpose: 0)
        var draws = 0
        func draw(_ count: Int) -> Int {
            draws += 1
            return min(count - 1, Int(random.uniform(draws) * Float(count)))
        }
        var read = 0
        for _ in 0..<20_000 {
            var text = whole
            for _ in 0...draw(3) {
                let place = draw(text.count)
                switch draw(5) {
                case 0: text[place] = UInt8(draw(256))
                case 1: text.removeSubrange(place..<min(text.count, place + 1 + draw(20)))
                case 2: text.insert(contentsOf: text[place..<min(text.count, place + draw(40))], at: place)
                default:
                    // The number behind some colon.
                    guard let colon = text[place...].firstIndex(of: UInt8(ascii: ":")) else { continue }
                    let end = text[colon...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n") }
                    text.replaceSubrange(colon + 1..<(end ?? text.count), with: numbers[draw(numbers.count)].utf8)
                }
                if text.isEmpty { break }
            }
            guard let state = try? CheckpointState(text: text, file: "state.json") else { continue }
            read += 1
            var progress = state.progress
            progress.steps += 1
            progress.updates += 1
            progress.tokens += 1 << 40
            progress.evaluationsWithoutGain += 1
            #expect(RunProgress(json: state.progress.json) == state.progress)
            _ = state.json.text()
        }
        #expect(read > 100 && read < 15_000)
    }

    /// A loss whose perplexity leaves the range of numbers.
    @Test func hugeLosses() throws {
        defer { remove() }
        var content = content(3)
        var progress = content.state.progress
        progress.best = EvaluationRecord(step: 3, loss: 800, perplexity: .infinity, isBest: true)
        content.state.progress = progress
        let written = content
        let writer = CheckpointWriter()
        writer.start(written)
        let folder = try #require(try writer.finish())
        let best = try #require(try CheckpointReader(folder).state.progress.best)
        #expect(best.loss == 800 && best.perplexity == .infinity)
    }

    @Test func theNewestFirstAndNothingElse() throws {
        defer { remove() }
        for name in ["step-9", "step-10", "step-100", "step-x", "step-07", "step-3.old-1", ".step-5.partial", "other"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }
        #expect(CheckpointFolder.all(in: folder).map(\.steps) == [100, 10, 9])
        CheckpointFolder.removeLeftovers(in: folder)
        #expect(!FileManager.default.fileExists(atPath: folder + "/.step-5.partial"))
        try CheckpointFolder.all(in: folder)[1].remove()
        #expect(CheckpointFolder.all(in: folder).map(\.steps) == [100, 9])
    }

    @Test func changesOfAConfig() {
        var config = RunConfig()
        let old = config.tree
        config.training.maxSteps = 7
        config.training.threads = 3
        config.output.dir = "x"
        #expect(config.changes(since: old).isEmpty)
        config.lora.r = 3
        config.training.learningRate = 1
        #expect(
            config.changes(since: old) == ["lora.r was 16 and is 3", "training.learning_rate was 0.0002 and is 1.0"])
        // A key that the checkpoint's program did not have yet.
        func without(_ key: String) -> JSON {
            .object(
                JSONObject(
                    old.object!.members.map { section in
                        (section.key, .object(JSONObject(section.value.object!.members.filter { $0.key != key })))
                    }))
        }
        #expect(RunConfig().changes(since: without("use_dora")).isEmpty)
        config = RunConfig()
        config.lora.useDoRA = true
        #expect(config.changes(since: without("use_dora")) == ["lora.use_dora was false and is true"])
    }

    /// The sums of the standard's examples (FIPS 180-4).
    @Test func digests() throws {
        defer { remove() }
        #expect(Digest.of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        try Data(repeating: UInt8(ascii: "a"), count: 1_000_000).write(to: URL(filePath: folder + "/million"))
        #expect(
            try Digest.ofFile(folder + "/million")
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func slabDigestsTellSlabsApart() {
        let workers = Workers(count: 2)
        var layout = ParameterLayout()
        _ = layout.append("a", rows: 300, columns: 701)
        let slab = ParameterSlab(layout)
        var seen: Set<UInt64> = [slab.digest(on: workers)]
        #expect(slab.digest(on: Workers(count: 1)) == seen.first)
        for (row, column) in [(0, 0), (0, 1), (1, 0), (150, 350), (299, 700), (299, 685), (93, 343)] {
            slab[0][row, column] = .leastNonzeroMagnitude
            #expect(seen.insert(slab.digest(on: workers)).inserted, "\(row), \(column)")
            slab[0][row, column] = -0.0
            #expect(seen.insert(slab.digest(on: workers)).inserted, "\(row), \(column)")
            slab[0][row, column] = 0
        }
    }
}
