import Foundation

/// The learning rate of each update, as Transformers' schedules give it: the first update uses the factor at step 0.
public struct LearningRateSchedule: Sendable {
    private let peak: Double
    private let kind: TrainingConfig.Scheduler
    private let warmup: Int, total: Int

    /// - Parameters:
    ///   - config: peak, kind and warm-up.
    ///   - totalSteps: updates of the whole run.
    public init(_ config: TrainingConfig, totalSteps: Int) {
        peak = config.learningRate
        kind = config.scheduler
        total = totalSteps
        switch config.warmup {
        case .steps(let steps): warmup = steps
        case .share(let share): warmup = Int((Double(totalSteps) * share).rounded(.up))
        }
    }

    /// The learning rate of an update, from 0.
    public subscript(step: Int) -> Double { peak * factor(step) }

    private func factor(_ step: Int) -> Double {
        if kind == .constant { return 1 }
        if step < warmup { return Double(step) / Double(max(1, warmup)) }
        let progress = Double(step - warmup) / Double(max(1, total - warmup))
        return switch kind {
        case .constant, .constantWithWarmup: 1
        case .linear: max(0, 1 - progress)
        case .cosine: max(0, 0.5 * (1 + cos(Double.pi * progress)))
        }
    }
}
