import Foundation
import Synchronization
import Tensors
import Testing

@Suite struct WorkersTests {
    @Test(arguments: [1, 2, 3, 8]) func everyTaskRunsOnce(_ count: Int) {
        let workers = Workers(count: count)
        defer { workers.stop() }
        for tasks in [0, 1, 2, count - 1, count, count + 1, 1000, -3] {
            let runs = (0..<max(tasks, 0)).map { _ in Counter() }
            let strays = Counter()
            workers.run(tasks) { task, worker in
                if worker < 0 || worker >= count { strays.add(1) }
                runs[task].add(1)
            }
            #expect(runs.allSatisfy { $0.value == 1 } && strays.value == 0)
        }
    }

    /// Runs so short that the next starts while the others are still looking for work.
    @Test func manyTinyRuns() {
        let workers = Workers(count: 3)
        defer { workers.stop() }
        let total = Counter()
        var expected = 0
        for round in 0..<20_000 {
            let tasks = round % 7
            workers.run(tasks) { task, _ in total.add(task + 1) }
            expected += tasks * (tasks + 1) / 2
        }
        #expect(total.value == expected)
    }

    /// Pauses longer than an idle worker spins, so that it sleeps and must be woken.
    @Test func sleepingWorkersAreWoken() async throws {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        let total = Counter()
        for _ in 0..<50 {
            try await Task.sleep(for: .milliseconds(2))
            workers.run(2) { _, _ in total.add(1) }
        }
        #expect(total.value == 100)
    }

    @Test func rowsCoverAllOnce() {
        let workers = Workers(count: 2)
        defer { workers.stop() }
        for rows in [0, 1, 15, 16, 17, 100] {
            for grain in [1, 16, 1000] {
                let seen = (0..<rows).map { _ in Counter() }
                workers.rows(rows, grain: grain) { range, _ in for row in range { seen[row].add(1) } }
                #expect(seen.allSatisfy { $0.value == 1 })
            }
        }
    }

    @Test func stoppedAndMadeAgainManyTimes() {
        for round in 0..<200 {
            let workers = Workers(count: 1 + round % 4)
            let total = Counter()
            if round % 3 > 0 { workers.run(5) { task, _ in total.add(task) } }
            workers.stop()
            workers.stop()
            #expect(total.value == (round % 3 > 0 ? 10 : 0))
        }
    }

    /// Threads end with the last reference, so that workers nobody stopped leave nothing behind.
    @Test func forgottenWorkersEnd() throws {
        weak var forgotten: Workers?
        for _ in 0..<300 {
            let workers = Workers(count: 3)
            workers.run(4) { _, _ in }
            forgotten = workers
        }
        #expect(forgotten == nil)
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("Threads:") })
        let threads = try #require(Int(line.dropFirst(8).trimmingCharacters(in: .whitespaces)))
        #expect(threads < 300)
    }

    @Test func severalCrewsSideBySide() async {
        await withTaskGroup(of: Int.self) { group in
            for crew in 1...4 {
                group.addTask {
                    let workers = Workers(count: 2)
                    defer { workers.stop() }
                    let total = Counter()
                    for _ in 0..<500 { workers.run(4) { task, _ in total.add(task * crew) } }
                    return total.value == 3000 * crew ? 1 : 0
                }
            }
            #expect(await group.reduce(0, +) == 4)
        }
    }

    @Test func dryWorkersRunNothing() {
        let total = Counter()
        Workers.dry().run(5) { _, _ in total.add(1) }
        #expect(total.value == 0)
    }
}

/// A number that several threads add to.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    func add(_ value: Int) { number.add(value, ordering: .relaxed) }
    var value: Int { number.load(ordering: .relaxed) }
}
