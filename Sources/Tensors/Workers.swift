import COpenBLAS
import Glibc
import Synchronization

/// The threads of one rank. They take tasks by number from a common counter; which thread runs a task leaves no trace, since
/// tasks are cut by shape alone and write to places of their own.
public final class Workers: @unchecked Sendable {
    /// Threads that run tasks, the caller's among them.
    public let count: Int
    private let scratch: [UnsafeMutablePointer<Float>]
    private let state = Mutex(State())
    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let wakeLock: UnsafeMutablePointer<pthread_mutex_t>
    private let generation = Atomic<Int>(0)
    private let nextTask = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private nonisolated(unsafe) var job: ((_ task: Int, _ worker: Int) -> Void)?
    private nonisolated(unsafe) var tasks = 0
    private let stopping = Atomic<Bool>(false)

    private struct State {
        var threads: [pthread_t] = []
    }

    /// Floats of scratch memory that each worker owns: a panel of widened weights and a tile beside it.
    static let scratchFloats = panelFloats + tileFloats
    static let panelFloats = 512 * 1024
    static let tileFloats = 512 * 256
    /// Elements of a block of attention scores, of which a worker has two.
    public static let scoreFloats = panelFloats / 2
    /// How often an idle worker looks for work before it sleeps; about 50 µs.
    private static let spins = 20_000

    private let isDry: Bool

    /// Starts `count − 1` threads beside the caller's.
    public convenience init(count: Int) { self.init(count: count, isDry: false) }

    /// Workers that run nothing. With a measuring arena they let a step's own code tell how much memory it will need.
    public static func dry() -> Workers { Workers(count: 1, isDry: true) }

    private init(count: Int, isDry: Bool) {
        precondition(count >= 1)
        openblas_set_num_threads(1)
        self.count = count
        self.isDry = isDry
        scratch = (0..<count).map { _ in
            UnsafeMutableRawPointer.allocate(byteCount: Self.scratchFloats * 4, alignment: 64)
                .bindMemory(to: Float.self, capacity: Self.scratchFloats)
        }
        wake = .allocate(capacity: 1)
        wakeLock = .allocate(capacity: 1)
        pthread_cond_init(wake, nil)
        pthread_mutex_init(wakeLock, nil)
        for worker in 1..<count { startThread(worker) }
    }

    /// Ends the threads and frees their scratch memory. No task may be running.
    public func stop() {
        stopping.store(true, ordering: .releasing)
        announce()
        state.withLock { state in
            for thread in state.threads { pthread_join(thread, nil) }
            state.threads = []
        }
    }

    deinit {
        for block in scratch { block.deallocate() }
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(wakeLock)
        wake.deallocate()
        wakeLock.deallocate()
    }

    /// Bytes of scratch memory of all workers.
    public var scratchBytes: Int { count * Self.scratchFloats * 4 }

    /// Runs tasks 0 ..< tasks, each once, on any worker, and returns when all are done.
    public func run(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        if tasks <= 0 || isDry { return }
        if count == 1 || tasks == 1 {
            for task in 0..<tasks { body(task, 0) }
            return
        }
        withoutActuallyEscaping(body) { body in
            job = body
            self.tasks = tasks
            nextTask.store(0, ordering: .relaxed)
            running.store(count - 1, ordering: .relaxed)
            announce()
            takeTasks(worker: 0)
            var spin = 0
            while running.load(ordering: .acquiring) > 0 {
                spin += 1
                if spin > Self.spins { sched_yield() }
            }
            job = nil
        }
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

    private func announce() {
        pthread_mutex_lock(wakeLock)
        generation.add(1, ordering: .releasing)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(wakeLock)
    }

    private func takeTasks(worker: Int) {
        while true {
            let task = nextTask.add(1, ordering: .relaxed).oldValue
            if task >= tasks { return }
            job!(task, worker)
        }
    }

    private func work(_ worker: Int) {
        var seen = 0
        while true {
            var spin = 0
            while generation.load(ordering: .acquiring) == seen {
                spin += 1
                if spin > Self.spins {
                    pthread_mutex_lock(wakeLock)
                    while generation.load(ordering: .acquiring) == seen { pthread_cond_wait(wake, wakeLock) }
                    pthread_mutex_unlock(wakeLock)
                }
            }
            seen += 1
            if stopping.load(ordering: .acquiring) { return }
            takeTasks(worker: worker)
            running.subtract(1, ordering: .releasing)
        }
    }

    private struct Start {
        let workers: Unmanaged<Workers>
        let worker: Int
    }

    private func startThread(_ worker: Int) {
        let start = UnsafeMutablePointer<Start>.allocate(capacity: 1)
        start.initialize(to: Start(workers: Unmanaged.passUnretained(self), worker: worker))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { argument in
            let start = argument!.assumingMemoryBound(to: Start.self)
            let (workers, worker) = (start.pointee.workers, start.pointee.worker)
            start.deallocate()
            workers.takeUnretainedValue().work(worker)
            return nil
        }, start)
        precondition(code == 0, "the system starts no more threads (error \(code)); use --threads 1")
        state.withLock { $0.threads.append(thread) }
    }
}
