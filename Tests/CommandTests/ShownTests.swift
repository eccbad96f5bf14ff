import JSONText
import Synchronization
import Testing
import Training

@testable import lora_dist

/// What is shown, and how files become what the library takes.
@Suite struct ShownTests {
    /// A console whose text can be read.
    private final class Screen: Sendable {
        let text = Mutex("")
        func console(isTerminal: Bool) -> Console {
            Console(isTerminal: isTerminal, write: { added in self.text.withLock { $0 += added } })
        }
        var shown: String { text.withLock { $0 } }
    }

    private func step(_ number: Int, loss: Double, trained: Int) -> TrainingEvent {
        .step(
            StepRecord(
                step: number, totalSteps: 4, epoch: Double(number) / 4, loss: loss, learningRate: 2e-4, gradNorm: 0.5,
                tokens: 1000, trainedTokens: trained, seconds: 0.5, tokensPerSecond: 2000, waitSeconds: 0.05))
    }

    @Test func aFileGetsALineOfMeansEveryFewSteps() {
        let screen = Screen()
        let reporter = Reporter(console: screen.console(isTerminal: false), loggingSteps: 2)
        reporter.report(step(1, loss: 4, trained: 100))
        #expect(screen.shown.isEmpty)
        reporter.report(step(2, loss: 1, trained: 200))
        reporter.report(.evaluated(EvaluationRecord(step: 2, loss: 1.5, perplexity: 4.4817, isBest: true)))
        reporter.report(.warning("a\u{1B}[31m"))
        #expect(
            screen.shown == """
                step 2/4, epoch 0.50, loss 2.0000, learning rate 2.00e-04, gradient norm 0.500, 2,000 tokens/s, \
                waited 10.0 %, ETA 0:00:01
                held-out loss 1.5000, perplexity 4.482 after step 2, the best so far
                warning: a\\u{1B}[31m

                """)
    }

    @Test func aTerminalGetsOneProgressLine() {
        let screen = Screen()
        let reporter = Reporter(console: screen.console(isTerminal: true), loggingSteps: 1)
        reporter.report(step(1, loss: 4, trained: 100))
        reporter.report(.saved(path: "run/adapter"))
        let line = "\r\u{1B}[Kstep 1/4  loss 4.0000  2,000 tokens/s  ETA 0:00:02"
        #expect(screen.shown == line + "\r\u{1B}[Ksaved run/adapter\n" + line.dropFirst(4))
    }

    @Test func numbersAndText() {
        #expect([0, 12, 999, 1000, -1_234_567].map(grouped) == ["0", "12", "999", "1,000", "-1,234,567"])
        #expect([0, 59.6, 3661, .infinity].map(clock) == ["0:00:00", "0:01:00", "1:01:01", "-:--:--"])
        #expect([1023, 1536, 5 << 20, 3 << 30].map(bytes) == ["1023 B", "1.5 KiB", "5.0 MiB", "3.00 GiB"])
    }

    @Test func controlCharactersAreShown() {
        #expect(printable("a\tb\u{202E}c\u{7F}é\n", keepsLines: true) == "a\tb\\u{202E}c\\u{7F}é\n")
        #expect(printable("a\tb\nc\r\n") == "a\\tb\\nc\\r\\n")
        #expect(printable("\u{1B}]0;x\u{7}\u{9B}2J\u{0}") == "\\u{1B}]0;x\\u{7}\\u{9B}2J\\u{0}")
        #expect(printable("\u{61C}\u{200F}\u{2028}\u{2067}") == "\\u{61C}\\u{200F}\\u{2028}\\u{2067}")
        #expect(printable("👩‍👩‍👧 日本 \\u{1B}") == "👩‍👩‍👧 日本 \\u{1B}")
        #expect(printable("abcdef", limit: 4) == "abcd… (2 characters more)")
        for value in UInt32(0)...0x9F where value < 0x20 || value >= 0x7F {
            let scalar = Unicode.Scalar(value)!
            #expect(!printable(String(scalar)).unicodeScalars.contains(scalar))
        }
    }

    @Test func scalarsFollowTheCoreSchema() throws {
        let yaml =
            "{a: 2e-4, b: yes, c: 012, d: '7', e: null, f: !!str 8, g: -3, h: 1.5, i: true, j: [x, .5], k: 1.2.3}"
        let tree = try ConfigTree(yaml: yaml, file: "x.yaml").tree
        #expect(
            tree.text() == #"{"a": 0.0002, "b": "yes", "c": 12, "d": "7", "e": null, "f": "8", "g": -3, "h": 1.5, "#
                + #""i": true, "j": ["x", 0.5], "k": "1.2.3"}"#)
    }

    @Test func aResolvedConfigReadsBack() throws {
        var config = RunConfig()
        config.model.path = "a b: c #d"
        config.model.baseName = "yes"
        config.lora.targetModules = .pattern(#".*\.(q|v)_proj"#)
        config.data.train = ["x.jsonl", "1.jsonl", "größe.jsonl"]
        config.data.columns = ["prompt": "question"]
        config.training.warmup = .share(0.03)
        config.training.adamEpsilon = 1e-8
        let yaml = try config.yaml()
        #expect(try RunConfig(tree: ConfigTree(yaml: yaml, file: "config.yaml").tree) == config, "\(yaml)")
        #expect(yaml.contains("  adam_epsilon: 1.0e-08\n") && yaml.contains("  target_modules: \".*"), "\(yaml)")
    }

    @Test func linesOfAPromptsFile() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(
            """
            "one"

            {"prompt": "two"}
            [{"role": "user", "content": "three"}]
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "four"}, \
            {"role": "assistant", "content": "no"}]}
            """, to: "prompts.jsonl")
        let conversations = try Prompts.read(file).map { Prompts.adding(system: "be brief", to: $0) }
        let shown = conversations.map { $0.map { "\($0["role"]!.string!): \($0["content"]!.string!)" } }
        #expect(
            shown == [
                ["system: be brief", "user: one"], ["system: be brief", "user: two"],
                ["system: be brief", "user: three"], ["system: s", "user: four"],
            ])
    }

    @Test func resultsOfAnEvaluation() {
        let result = EvaluationResult(examples: 40, tokens: 5120, trainedTokens: 1234, baseLoss: 2, adapterLoss: 1)
        #expect(
            result.table == """
                              loss      perplexity
                base          2.0000    7.3891
                with adapter  1.0000    2.7183
                1,234 trained of 5,120 tokens in 40 examples
                """)
        #expect(result.json["adapter"]?["loss"]?.double == 1 && result.json["examples"]?.int == 40)
    }
}
