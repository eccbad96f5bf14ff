/// The threads of one rank. They take tasks by number from a common counter; which thread runs a task leaves no trace, since
/// tasks are cut by shape alone and write to places of their own.
public final class Workers: @unchecked Sendable {
    /// Threads that run tasks, the caller's among them.
    public let count: Int
    private let scratch: [UnsafeMutablePointer<Float>]
    private let crew: Crew
    private let isDry: Bool
    /// Called by the caller's thread before each job, to show that work goes on; nil for nothing.
    public var onJob: (@Sendable () -> Void)?

    /// Floats of scratch memory that each worker owns: a panel of widened weights and a tile beside it.
    static let scratchFloats = panelFloats + tileFloats
    static let panelFloats = 512 * 1024
    static let tileFloats = 512 * 256
    /// Elements of a block of attention scores, of which a worker has two.
    public static let scoreFloats = panelFloats / 2

    /// Starts `count − 1` threads beside the caller's.
    public convenience init(count: Int) { self.init(count: count, isDry: false) }

    /// Workers that run nothing. With a measuring arena they let a step's own code tell how much memory it will need.
    public static func dry() -> Workers { Workers(count: 1, isDry: true) }

    private init(count: Int, isDry: Bool) {
        precondition(count >= 1)
        self.count = count
        self.isDry = isDry
        scratch = (0..<count).map { _ in
            UnsafeMutableRawPointer.allocate(byteCount: Self.scratchFloats * 4, alignment: 64)
                .bindMemory(to: Float.self, capacity: Self.scratchFloats)
        }
        crew = Crew(threads: count - 1)
    }

    /// Ends the threads; what is never stopped ends with its last reference. No task may be running, and none may follow.
    public func stop() { crew.stop() }

    deinit {
        crew.stop()
        for block in scratch { block.deallocate() }
    }

    /// Bytes of scratch memory of all workers.
    public var scratchBytes: Int { count * Self.scratchFloats * 4 }

    /// Runs tasks 0 ..< tasks, each once, on any worker, and returns when all are done. One caller at a time; a task must not
    /// call it again.
    public func run(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        if tasks <= 0 || isDry { return }
        onJob?()
        if count == 1 || tasks == 1 {
            for task in 0..<tasks { body(task, 0) }
            return
        }
        crew.run(tasks, body)
    }

    /// Runs `body` over pieces of 0 ..< rows of at most `grain` rows.
    public func rows(_ rows: Int, grain: Int = 16, _ body: (_ range: Range<Int>, _ worker: Int) -> Void) {
        run((rows + grain - 1) / grain) { task, worker in
            body(task * grain..<min(rows, (task + 1) * grain), worker)
        }
    }

    /// A worker's scratch memory for a panel of widened weights.
    func panel(_ worker: Int) -> UnsafeMutablePointer<Float> { scratch[worker] }
    /// A worker's scratch memory for a tile of results.
    func tile(_ worker: Int) -> UnsafeMutablePointer<Float> { scratch[worker] + Self.panelFloats }

    /// One of a worker's two blocks of scratch memory for attention scores, as a matrix; at most `scoreFloats` elements.
    public func scores(_ worker: Int, _ which: Int, rows: Int, columns: Int) -> MatrixView {
        precondition(which < 2 && rows * columns <= Self.scoreFloats)
        return MatrixView(
            base: scratch[worker] + which * Self.scoreFloats, rows: rows, columns: columns, stride: columns)
    }
}
