/// Tells how long the phases of a training step take.
public final class PhaseClock {
    /// A phase, in the order of the step.
    public enum Phase: String, CaseIterable, Sendable {
        /// The embedding and the layers, forward.
        case forward
        /// The final norm and the head: loss and gradient.
        case head
        /// The layers, backward.
        case backward
        /// The optimizer.
        case update
    }

    private var last = ContinuousClock.now
    private var times: [Phase: Duration] = [:]

    /// Starts the clock.
    public init() {}

    /// Counts the time since the start, or since this was called last, as a phase's.
    public func end(_ phase: Phase) {
        let now = ContinuousClock.now
        times[phase, default: .zero] += last.duration(to: now)
        last = now
    }

    /// The time of a phase so far.
    public subscript(phase: Phase) -> Duration { times[phase] ?? .zero }
}
