import Glibc
import Synchronization

/// Threads that wait for a job, take its tasks by number from a common counter together with the caller, and wait again.
///
/// Every thread takes part in every job, if only to find that no task is left: a job's end is the moment when all have said so.
/// A thread that finds no job for a while sleeps. The threads keep this object alive, not its owner.
final class Crew: @unchecked Sendable {
    typealias Job = (_ task: Int, _ worker: Int) -> Void

    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let wakeLock: UnsafeMutablePointer<pthread_mutex_t>
    /// Jobs announced so far, the order to stop among them.
    private let generation = Atomic<Int>(0)
    private let nextTask = Atomic<Int>(0)
    /// Threads that have not yet said that they are done with the job.
    private let running = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    /// Written by the caller before it announces and after all threads are done.
    private nonisolated(unsafe) var job: Job?
    private nonisolated(unsafe) var tasks = 0
    private let threads = Mutex<[pthread_t]>([])
    private let threadCount: Int

    /// How often an idle thread looks for work before it sleeps; about 50 µs.
    private static let spins = 20_000

    /// Starts threads, which are workers 1 … `threads`; the caller is worker 0.
    init(threads count: Int) {
        threadCount = count
        wake = .allocate(capacity: 1)
        wakeLock = .allocate(capacity: 1)
        pthread_cond_init(wake, nil)
        pthread_mutex_init(wakeLock, nil)
        for thread in 0..<count { start(worker: thread + 1) }
    }

    deinit {
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(wakeLock)
        wake.deallocate()
        wakeLock.deallocate()
    }

    /// Runs tasks 0 ..< tasks, each once, and returns when all are done.
    func run(_ tasks: Int, _ body: Job) {
        precondition(job == nil, "a task must not start a job of its own workers")
        precondition(!isStopping.load(ordering: .relaxed), "these workers are stopped")
        withoutActuallyEscaping(body) { body in
            job = body
            self.tasks = tasks
            nextTask.store(0, ordering: .relaxed)
            running.store(threadCount, ordering: .relaxed)
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

    /// Ends the threads and waits until they have ended. No job may be running.
    func stop() {
        threads.withLock { threads in
            if threads.isEmpty { return }
            isStopping.store(true, ordering: .releasing)
            announce()
            for thread in threads { pthread_join(thread, nil) }
            threads = []
        }
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
            if isStopping.load(ordering: .acquiring) { return }
            takeTasks(worker: worker)
            running.subtract(1, ordering: .releasing)
        }
    }

    private struct Start {
        let crew: Crew
        let worker: Int
    }

    private func start(worker: Int) {
        let start = UnsafeMutablePointer<Start>.allocate(capacity: 1)
        start.initialize(to: Start(crew: self, worker: worker))
        var thread = pthread_t()
        let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            let place = argument!.assumingMemoryBound(to: Start.self)
            let start = place.move()
            place.deallocate()
            start.crew.work(start.worker)
            return nil
        }
        let code = pthread_create(&thread, nil, body, start)
        precondition(code == 0, "the system starts no more threads (error \(code)); use --threads 1")
        threads.withLock { $0.append(thread) }
    }
}
