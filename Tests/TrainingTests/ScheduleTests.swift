import JSONText
import Testing
import Training

/// Learning rates against Transformers' schedulers.
@Suite struct ScheduleTests {
    @Test func everyStepOfEveryKind() throws {
        let cases = try Fixtures.json(Fixtures.own + "/schedules.json").array!
        #expect(Set(cases.map { $0["kind"]!.string! }) == Set(TrainingConfig.Scheduler.allCases.map(\.rawValue)))
        var worst = 0.0
        for oracle in cases {
            var config = TrainingConfig()
            config.learningRate = 3e-4
            config.scheduler = TrainingConfig.Scheduler(rawValue: oracle["kind"]!.string!)!
            config.warmup = .steps(oracle["warmup"]!.int!)
            let schedule = LearningRateSchedule(config, totalSteps: oracle["steps"]!.int!)
            for (step, factor) in oracle["factors"]!.array!.enumerated() {
                let error = abs(schedule[step] - 3e-4 * factor.double!)
                #expect(error <= 1e-18, "\(oracle.text()) at step \(step): \(schedule[step])")
                worst = max(worst, error)
            }
        }
        print("figures: learning rates: \(worst) of 3e-4")
    }

    /// A share of the steps is rounded up, as Transformers does.
    @Test(arguments: [(0.05, 10, 1), (0.5, 7, 4), (0.1, 30, 3), (0.001, 10, 1)])
    func warmUpAsAShare(share: Double, total: Int, steps: Int) {
        var (shared, counted) = (TrainingConfig(), TrainingConfig())
        shared.warmup = .share(share)
        counted.warmup = .steps(steps)
        let a = LearningRateSchedule(shared, totalSteps: total)
        let b = LearningRateSchedule(counted, totalSteps: total)
        #expect((0..<total).allSatisfy { a[$0] == b[$0] })
        #expect(a[0] == 0 && a[steps] == shared.learningRate)
    }
}
