import Foundation

/// Takes SIGUSR1, SIGTERM and SIGINT as wishes to stop, in a thread that waits for them.
///
/// - SIGUSR1: a wish, also where mpirun has forwarded it.
/// - SIGTERM and SIGINT: a wish, unless mpirun itself sends them, as it does when it ends a job whose ranks have failed: then the
///   process ends at once.
/// - SIGINT a second time: the process ends at once.
///
/// If the run has not agreed to stop after the grace, `onGraceEnd` is called.
public final class StopSignals: Sendable {
    /// What a signal was taken for.
    public enum Notice: Sendable {
        /// A wish to stop: the signal's name.
        case stopping(String)
    }

    private static let signals = [SIGUSR1, SIGTERM, SIGINT]

    /// A signal as it goes through the pipe.
    private struct Arrival {
        var signal: Int32 = 0
        var sender: Int32 = 0
    }

    nonisolated(unsafe) private static var readEnd: Int32 = -1
    nonisolated(unsafe) private static var writeEnd: Int32 = -1

    /// From now on the signals go into a pipe, from which a `StopSignals` takes them. Handlers, not a mask: libraries have threads
    /// that hold nothing back.
    public static func catchAll() {
        guard unsafe readEnd < 0 else { return }
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        unsafe (readEnd, writeEnd) = (ends[0], ends[1])
        for signal in signals {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_sigaction = { signal, info, _ in
                let before = errno
                var arrival = unsafe Arrival(signal: signal, sender: info?.pointee._sifields._kill.si_pid ?? 0)
                _ = unsafe write(StopSignals.writeEnd, &arrival, MemoryLayout<Arrival>.size)
                errno = before
            }
            action.sa_flags = SA_SIGINFO | SA_RESTART
            unsafe sigaction(signal, &action, nil)
        }
        // Whoever started this process may have held them back.
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Waits for the next signal, at most until `end`.
    private static func next(until end: ContinuousClock.Instant?) -> Arrival? {
        var descriptor = unsafe pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        let milliseconds = end.map { Int32(max(0.01, ContinuousClock.now.duration(to: $0).seconds) * 1000) + 1 } ?? -1
        guard unsafe poll(&descriptor, 1, milliseconds) > 0 else { return nil }
        var arrival = Arrival()
        let size = MemoryLayout<Arrival>.size
        return unsafe read(readEnd, &arrival, size) == size ? arrival : nil
    }

    /// Starts the thread.
    /// - Parameters:
    ///   - request: gets the wishes.
    ///   - grace: seconds from the first wish to `onGraceEnd`.
    ///   - hasLostRank: whether another rank has died, so that a signal is no wish of the user's.
    ///   - tell: gets what is to be said, in the thread.
    ///   - onGraceEnd: ends the process; called in the thread.
    init(
        _ request: StopRequest, grace: Double, hasLostRank: @escaping @Sendable () -> Bool,
        tell: @escaping @Sendable (Notice) -> Void, onGraceEnd: @escaping @Sendable () -> Void
    ) {
        let thread = Thread {
            var graceEnd: ContinuousClock.Instant?
            var interrupts = 0
            while true {
                let arrival = Self.next(until: graceEnd)
                if let end = graceEnd, ContinuousClock.now >= end, !request.isAgreed {
                    onGraceEnd()
                    graceEnd = nil
                }
                guard let arrival else { continue }
                let signal = arrival.signal
                if signal != SIGUSR1, hasLostRank() || Self.isLauncher(arrival.sender) { _exit(128 + signal) }
                if signal == SIGINT {
                    interrupts += 1
                    if interrupts > 1 { _exit(128 + signal) }
                }
                if request.current == nil {
                    tell(.stopping(signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGUSR1"))
                }
                request.request(.signal)
                if graceEnd == nil { graceEnd = ContinuousClock.now + .seconds(grace) }
            }
        }
        thread.name = "signals"
        thread.start()
    }

    /// Whether a process is the one of Open MPI that started this one.
    private static func isLauncher(_ process: pid_t) -> Bool {
        guard process == getppid(), ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"] != nil,
            let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
        else { return false }
        return ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prted"].contains(
            name.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
