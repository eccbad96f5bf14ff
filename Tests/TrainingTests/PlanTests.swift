import Datasets
import Foundation
import LoRA
import Models
import Tensors
import Testing

@testable import Training

@Suite struct PlanTests {
    private let shape = KnownShape.named("llama-3.1-8b")!

    private func config(_ change: (inout RunConfig) -> Void = { _ in }) -> RunConfig {
        var config = RunConfig()
        config.model.dtype = .bf16
        change(&config)
        return config
    }

    // MARK: Parameters

    @Test func theTableByWhichLoRAIsTaught() {
        let rows = ShareExample.all
        #expect(rows.map(\.parameters) == [65_536, 3_407_872, 167_772_160])
        #expect(rows[0].share == 0.00390625)
        #expect(abs(rows[1].share * 100 - 0.042) < 0.0005)
        #expect(abs(rows[2].share * 100 - 2.09) < 0.005)
    }

    /// State of gigabytes that is only planned takes no memory.
    @Test func anAdapterOf8BIsCountedWithoutMemory() throws {
        let before = ProcessMemory.own().anonymousBytes
        let base = BaseModel(planned: shape.config, path: shape.name)
        let adapter = try Session.adapter(of: config { $0.lora.r = 64 }, for: base, isPlanned: true).0
        let figures = AdapterFigures(adapter, baseParameters: base.config.parameterCount, RunConfig())
        let sums = ExactSums(adapter.values.layout)
        let more = ProcessMemory.own().anonymousBytes - before
        #expect(sums.layout.count == 167_772_160 && more < 300 << 20, "\(more >> 20) MiB")
        #expect(
            figures.kinds.map(\.kind)
                == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
        #expect(figures.kinds.allSatisfy { $0.modules == 32 })
        #expect(figures.kinds.reduce(0) { $0 + $1.parameters } == figures.parameters)
        #expect(figures.kinds[1].parameters == 32 * 64 * (4096 + 1024))
        #expect(figures.parameters == 167_772_160)
        // A header of some kilobytes beside 4 bytes a number.
        #expect((0..<100_000).contains(figures.fileBytes - 4 * figures.parameters))
        #expect((0..<300_000).contains(figures.checkpointBytes - 12 * figures.parameters))
    }

    /// The file that a run writes has the size that the plan says.
    @Test func sizeOfTheAdaptersFile() throws {
        let scratch = try Scratch()
        let base = try BaseModel(path: Fixtures.models + "/chat")
        let (adapter, adapterConfig) = try Session.adapter(of: config { $0.lora.r = 3 }, for: base)
        for format in NumberFormat.allCases {
            let folder = try PEFTFolder(config: adapterConfig, tensors: adapter.namedTensors)
            try folder.write(to: scratch.path, as: format)
            let file = scratch.path + "/" + PEFTFolder.weightsName
            let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
            let config = config { $0.output.adapterDtype = format }
            #expect(AdapterFigures(adapter, baseParameters: 1, config).fileBytes == size)
        }
    }

    /// Plain LoRA of twice the rank where PiSSA is saved so, A₀ and B₀ beside it else.
    @Test func sizesOfPiSSA() throws {
        let base = try BaseModel(path: Fixtures.models + "/chat")
        func figures(_ change: (inout RunConfig) -> Void) throws -> AdapterFigures {
            let own = config {
                $0.lora.r = 3
                change(&$0)
            }
            let adapter = try Session.adapter(of: own, for: base, isPlanned: true).0
            return AdapterFigures(adapter, baseParameters: 1, own)
        }
        let plain = try figures { _ in }
        let double = try figures { $0.lora.r = 6 }
        let pissa = try figures { $0.lora.initLoRAWeights = .pissa(iterations: nil) }
        let asTrained = try figures {
            $0.lora.initLoRAWeights = .pissa(iterations: nil)
            $0.output.savePiSSAAs = .pissa
        }
        #expect(pissa.fileBytes == double.fileBytes && pissa.parameters == plain.parameters)
        #expect(asTrained.fileBytes == 2 * plain.fileBytes)
        #expect(pissa.checkpointBytes == plain.checkpointBytes + plain.fileBytes)
        let biased = try BaseModel(path: Fixtures.models + "/biases")
        let all = config { $0.lora.bias = .all }
        let adapter = try Session.adapter(of: all, for: biased, isPlanned: true).0
        let kinds = AdapterFigures(adapter, baseParameters: 1, all).kinds
        #expect(kinds.allSatisfy { $0.kind.hasSuffix("_proj") && $0.modules == biased.config.layers }, "\(kinds)")
    }

    /// Samples of any size stay within the rotary table, and both 8B configs can be planned.
    @Test func oddSizes() throws {
        for (batch, length) in [(5, 64), (3, 100), (7, 33), (1, 2)] {
            let config = config {
                $0.training.globalBatchSize = batch
                $0.data.maxLength = length
                $0.training.microBatchTokens = TrainingConfig.automatic
                $0.lora.useDoRA = batch == 3
            }
            var options = PlanOptions()
            options.shape = KnownShape.named("smollm2-135m")
            options.memoryBytes = 64 << 30
            let plan = try makePlan(config: config, options: options)
            #expect(plan.scaling[0].stepSeconds > 0 && plan.microBatchTokens == 2048)
        }
    }

    // MARK: Memory

    /// Neither weights nor their format count in the arena, and what is planned has the bytes of what is there.
    @Test(arguments: ["chat", "llama3-rope-bf16", "biases"], [Precision.fp32, .bf16])
    func plannedWeightsAskForTheSame(_ name: String, _ precision: Precision) throws {
        let real = try BaseModel(path: Fixtures.models + "/" + name)
        let planned = BaseModel(planned: real.config, path: "", format: real.embedding.format!)
        #expect(planned.stepBytes == real.stepBytes)
        let config = config { $0.model.dtype = precision == .fp32 ? .fp32 : .bf16 }
        let size = MicroBatchSize(tokens: 37, trained: 20, segments: 3)
        let arenas = try [real, planned, planned.plannedAsNF4()].map { base in
            let adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
            return Decoder(planning: config, base: base, adapter: adapter, positions: 64)
                .trainingArenaBytes(size, hasDropout: true)
        }
        #expect(arenas[0] > 0 && arenas.allSatisfy { $0 == arenas[0] }, "\(arenas)")
    }

    /// The arithmetic of the 8B shape: 15.0 GB in bf16 without embeddings, 4.7 GB with NF4 layers and a bf16 head.
    @Test func memoryOfThe8BShape() throws {
        let base = BaseModel(planned: shape.config, path: shape.name)
        let work = PlannedWork(
            assuming: config {
                $0.data.maxLength = 512
                $0.training.microBatchTokens = 512
            })
        let config = config { $0.lora.r = 64 }
        let adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
        let planner = MemoryPlanner(config: config, work: work, adapter: adapter, threads: 2, overhead: 50 << 20)
        let lora = planner.lora("LoRA", on: base, ranks: 1)
        #expect(lora.base == 2 * (6_979_321_856 + 525_336_576) && lora.embedding == 2 * 525_336_576)
        #expect(lora.values == 671_088_640 && lora.moments == 2 * lora.values && lora.gradients == 2 * lora.values)
        #expect(lora.arena > 1 << 30 && lora.node(ranks: 1) < 22_000_000_000, "\(lora)")
        let qlora = planner.lora("QLoRA", on: base.plannedAsNF4(), ranks: 1)
        #expect((4_600_000_000..<4_750_000_000).contains(qlora.base) && qlora.arena == lora.arena, "\(qlora)")
        let full = planner.full(on: base, ranks: 1)
        #expect(full.values + full.gradients + full.moments == 16 * shape.config.parameterCount)
        // Two ranks share the base, and the state or not.
        let shared = planner.lora("LoRA", on: base, ranks: 2)
        #expect(shared.node(ranks: 2) == lora.shared + 2 * (lora.rank + MemoryPlanner.mpiBytes))
        var two = shared
        two.placement = .private
        #expect(two.node(ranks: 2) - shared.node(ranks: 2) == lora.values + lora.moments)
        #expect(two.node(ranks: 1) == shared.node(ranks: 1))
    }

    // MARK: Work and time

    @Test func assumedExamplesAreCutAsTrainingDoes() {
        let config = config {
            $0.training.globalBatchSize = 6
            $0.data.maxLength = 1000
            $0.training.maxSteps = 5
        }
        let work = PlannedWork(assuming: config)
        #expect(work.isAssumed && work.steps == 5 && work.tokensPerStep == 6000 && work.piecesPerStep == 4)
        #expect(work.largest.tokens == 2000 && work.meanPiece.tokens == 1500)
        #expect(work.sampled.allSatisfy { $0.map(\.tokens).sorted() == [1000, 1000, 2000, 2000] })
        #expect(work.sampled[0].map(\.pairs).max() == 1_001_000.0)
        // Each rank works off its share, and the last one counts.
        let seconds = [1, 2, 3, 4, 64].map { work.stepSeconds(ranks: $0) { Double($0.tokens) } }
        #expect(seconds == [6000, 3000, 2000, 2000, 2000])
    }

    @Test func linesThroughTwoMeasurements() {
        typealias Line = PieceTimes.Line
        let line = Line((100, 3), (400, 6))
        #expect(abs(line.base - 2) < 1e-12 && abs(line.slope - 0.01) < 1e-12 && line(0) == 0)
        #expect(abs(line(200) - 4) < 1e-12)
        // Noise gives neither a negative slope nor negative times for small sizes.
        for (small, large) in [((100.0, 7.0), (400.0, 6.0)), ((100.0, 1.0), (400.0, 6.0))] {
            let line = Line(small, large)
            #expect(line.slope > 0 && line.base >= 0 && abs(line(400) - 6) < 1e-9, "\(line)")
        }
        #expect(Line((5, 2), (5, 2))(10) == 4)
    }

    /// A head that is trained takes half as long again, and an evaluation does not know the difference.
    @Test func trainedHeads() throws {
        let base = try BaseModel(path: Fixtures.models + "/chat")
        func times(_ modules: [AdapterConfig.WholeModule]) throws -> PieceTimes {
            let config = config { $0.lora.modulesToSave = modules }
            let adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
            let decoder = Decoder(planning: config, base: base, adapter: adapter, positions: 64)
            return PieceTimes(rate: 1e9, decoder: decoder, parameters: 0)
        }
        let piece = PlannedWork.Piece(tokens: 64, trained: 32, examples: 1, pairs: 2080)
        let (plain, trained) = (try times([]), try times([.head]))
        #expect(abs(trained.head(32) / plain.head(32) - 1.5) < 1e-12)
        #expect(trained.training(piece) > plain.training(piece))
        #expect(abs(trained.evaluation(piece) / plain.evaluation(piece) - 1) < 1e-12)
    }

    /// Of a measured head an evaluation takes one product of two, or of three where it is trained.
    @Test(arguments: [[], [.head]] as [[AdapterConfig.WholeModule]])
    func measuredTimes(trained: [AdapterConfig.WholeModule]) throws {
        let base = try BaseModel(path: Fixtures.models + "/chat")
        let config = config {
            $0.lora.modulesToSave = trained
            $0.data.maxLength = 64
        }
        let adapter = try Session.adapter(of: config, for: base, isPlanned: true).0
        let probe = SpeedProbe(
            config: config, base: base, adapter: adapter, work: PlannedWork(assuming: config), threads: 1, others: 0)
        let times = try probe.measure().times
        #expect(times.headForwardShare == (trained.isEmpty ? 1.0 / 2 : 1.0 / 3))
        #expect(times.forwardShare > 0.1 && times.forwardShare < 0.9 && times.update > 0, "\(times)")
        #expect(times.layers(64) > 0 && times.head(32) > 0, "\(times)")
    }

    /// The middle one without the longest; the shorter of two in the middle.
    @Test(
        arguments: [
            ([5], 5), ([5, 3], 3), ([3, 5], 3), ([9, 3, 4], 3), ([9, 4, 3, 5], 4), ([2, 9, 4, 3, 5], 3),
            ([9, 3, 8, 4, 7, 5, 6], 5),
        ] as [([Double], Double)])
    func typicalRuns(seconds: [Double], expected: Double) {
        let runs = seconds.map { Phases(forward: $0 / 4, head: $0 / 4, backward: $0 / 2) }
        #expect(Phases.typical(of: runs) == Phases(forward: expected / 4, head: expected / 4, backward: expected / 2))
    }

    /// Its length is that of all phases, and all of them are of one run.
    @Test func typicalRunsAreWhole() {
        let short = Phases(forward: 3, head: 2, backward: 1)
        let runs = [Phases(forward: 1, head: 1, backward: 9), short, Phases(forward: 2, head: 0.5, backward: 5)]
        #expect(Phases.typical(of: runs) == short)
    }

    @Test func sumsOverRanks() {
        var options = PlanOptions()
        options.ranksPerNode = 2
        options.networkGigabits = 8
        options.latencySeconds = 0.001
        let times = PieceTimes(
            layers: .init(slope: 1e-3), head: .init(slope: 0), pair: 0, pairsPerToken: 0, forwardShare: 0.3,
            headForwardShare: 0.5, update: 0.5)
        let work = PlannedWork(
            assuming: config {
                $0.training.globalBatchSize = 8
                $0.training.maxSteps = 10
                $0.data.maxLength = 1000
                $0.training.microBatchTokens = 1000
            })
        let planner = ScalingPlanner(
            work: work, times: times, measuredThreads: 2, requestedThreads: nil, cores: 4, options: options,
            sumBytes: 32 << 20)
        #expect(planner.sumSeconds(1) == 0)
        #expect(planner.sumSeconds(2) == Double(32 << 20) / ScalingPlanner.localRate)
        // Two nodes: 2 · 3/4 of the bytes over 1 GB/s, and two pieces with two messages each.
        #expect(abs(planner.sumSeconds(4) - (1.5 * Double(32 << 20) / 1e9 + 0.004)) < 1e-12)
        #expect([1, 2, 4, 64].map(planner.threads) == [4, 2, 2, 2] && planner.nodes(64) == 32)
        // One rank has all four cores, and measured were two threads.
        let one = planner.figures(1, nodeBytes: 7)
        #expect(abs(one.stepSeconds - (8 * 0.5 + 0.25)) < 1e-12 && one.efficiency == 1 && one.nodeBytes == 7)
        #expect(one.runSeconds == 10 * one.stepSeconds && one.threads == 4)
        let two = planner.figures(2, nodeBytes: 0)
        #expect(abs(two.stepSeconds - (4 + 0.5 + two.sumSeconds)) < 1e-12)
        #expect(abs(two.tokensPerSecond - 8000 / two.stepSeconds) < 1e-9)
        #expect(planner.figures(64, nodeBytes: 0).stepSeconds > 1.5)
    }

    // MARK: Doubts

    @Test func whereLoRAIsAPoorChoice() throws {
        let base = try BaseModel(path: Fixtures.models + "/chat")
        func doubts(_ r: Int) throws -> [String] {
            let adapter = try Session.adapter(of: config { $0.lora.r = r }, for: base, isPlanned: true).0
            return PlanDoubts.ranks(adapter)
        }
        #expect(try doubts(2).isEmpty)
        let (outputs, inputs) = LinearModule.k.shape(base.config)
        let all = try doubts(4096)
        #expect(all.count == 1 && all[0].contains("k_proj (\(outputs) × \(inputs), r = 4096)"), "\(all)")
        let square = LinearModule.q.shape(base.config)
        let half = try doubts(square.outputs * square.inputs / (square.outputs + square.inputs))
        #expect(half.contains { $0.contains("as many numbers") && $0.contains("q_proj") }, "\(half)")
        #expect(PlanDoubts.size(base, full: 100, available: 100)?.contains("small") == true)
        #expect(PlanDoubts.size(base, full: 101, available: 100) == nil)
        #expect(PlanDoubts.unlearnt([("<a>", [1, 2]), ("<b>", [1, 3])]) == nil)
        #expect(PlanDoubts.unlearnt([("<a>", [0, 0]), ("<b>", [1, 3])])?.contains("writes <a>, which") == true)
        #expect(
            PlanDoubts.unlearnt([("<a>", [1, 3]), ("<b>", [2, 1]), ("<c>", [1, 3])])?.contains("<a>, <c>,") == true)
        let large = BaseModel(planned: shape.config, path: "")
        #expect(PlanDoubts.size(large, full: 1, available: 2) == nil)
    }
}
