/// What rendering one conversation may use up, over all the times that the template runs for it.
final class Budget {
    private var steps = 0
    private var iterations = 0
    private var bytes = 0
    /// Whether a limit was reached: nothing more can be rendered.
    private(set) var isSpent = false

    /// Counts a statement or an expression, or what is as much work as several.
    @inline(__always) func step(_ count: Int = 1) throws {
        steps += count
        if steps > Limits.steps { throw spent("took more than \(Limits.steps) steps") }
    }

    /// Counts one pass through a loop.
    func pass() throws {
        iterations += 1
        if iterations > Limits.iterations { throw spent("made more than \(Limits.iterations) passes through loops") }
    }

    /// Counts bytes of text made or gone through, or what is as much work.
    func charge(_ count: Int) throws {
        bytes += count
        if bytes > Limits.totalBytes { throw spent("made or went through more than \(Limits.totalBytes) bytes") }
    }

    private func spent(_ what: String) -> Fault {
        isSpent = true
        return Fault("the template \(what) for one conversation, which no template for chats needs")
    }
}
