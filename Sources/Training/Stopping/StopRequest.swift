import Synchronization

/// A wish that the run end after its current step, from whichever thread.
public final class StopRequest: Sendable {
    /// Where the wish comes from.
    public enum Reason: Int, Sendable {
        /// A signal.
        case signal = 1
        /// The time of `--stop-after` or `--stop-at`.
        case time
        /// A checkpoint that could not be written.
        case saveError
    }

    private let reason = Mutex<Reason?>(nil)
    private let agreed = Mutex(false)

    public init() {}

    /// Asks for the end; the first reason stays.
    public func request(_ reason: Reason) { self.reason.withLock { $0 = $0 ?? reason } }

    /// Whether all ranks know of the wish and end after the step that is done.
    var isAgreed: Bool { agreed.withLock { $0 } }

    /// Notes that all ranks know.
    func agree() { agreed.withLock { $0 = true } }

    /// The reason, if there is a wish.
    public var current: Reason? { reason.withLock { $0 } }
}
