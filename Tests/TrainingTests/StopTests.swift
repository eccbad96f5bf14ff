import Foundation
import Testing

@testable import Training

@Suite struct StopDeadlineTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    @Test(arguments: [
        ("90s", 90.0), ("45m", 2700), ("2h30m", 9000), ("1d2h3m4s", 93_784), ("100h", 360_000), ("1h0m", 3600),
    ]) func after(text: String, seconds: Double) {
        #expect(StopDeadline(after: text, now: now)?.moment.timeIntervalSince(now) == seconds)
    }

    @Test(arguments: ["", "5", "m", "5x", "30m2h", "2h30", "-1h", "1.5h", "0s", "2h 30m", "2h2h", "٣h"])
    func afterNonsense(text: String) { #expect(StopDeadline(after: text, now: now) == nil) }

    @Test func at() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .current
        let moment = try #require(StopDeadline(at: "2027-03-04T05:06", now: now)).moment
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: moment)
        #expect(parts.year == 2027 && parts.month == 3 && parts.day == 4 && parts.hour == 5 && parts.minute == 6)
        let zoned = try #require(StopDeadline(at: "2027-03-04T05:06:07Z", now: now)).moment
        #expect(zoned.timeIntervalSince1970 == 1_804_136_767)
        let clock = try #require(StopDeadline(at: "05:06", now: now)).moment
        #expect(clock > now && clock.timeIntervalSince(now) <= 25 * 3600)
        #expect(calendar.dateComponents([.hour, .minute], from: clock) == DateComponents(hour: 5, minute: 6))
        for text in ["", "25:00", "5:6", "tomorrow", "2027-13-01T00:00", "12:60"] {
            #expect(StopDeadline(at: text, now: now) == nil, "\(text)")
        }
    }

    @Test func leavesTimeForAStepAndTheSave() {
        let deadline = StopDeadline(now.addingTimeInterval(100))
        #expect(!deadline.isNear(step: 60, save: 10, now: now))
        #expect(deadline.isNear(step: 70, save: 10, now: now))
    }
}

@Suite struct LiveStateTests {
    /// While an update is under way, slabs are neither old nor new: nothing is saved, and whoever waits does not wait for ever.
    @Test func halfAnUpdateIsNotSaved() throws {
        let live = LiveState()
        let (began, end) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let ended = DispatchSemaphore(value: 0)
        let thread = Thread {
            live.beginUpdate()
            began.signal()
            end.wait()
            live.endUpdate(nil)
            ended.signal()
        }
        thread.start()
        began.wait()
        let error = #expect(throws: SharedError.self) { try live.saveAndKeep(patience: 0.1) }
        #expect(error?.exitCode == 1 && error?.description.contains("half changed") == true)
        end.signal()
        ended.wait()
        #expect(try live.saveAndKeep(patience: 0.1) == nil)
    }
}

@Suite struct StatePlacementTests {
    /// Parts follow each other, begin at whole cache lines, and are all there is.
    @Test(arguments: [0, 1, 15, 16, 17, 100, 4_884_480, 167_772_160]) func parts(_ count: Int) {
        for ranks in 1...7 {
            let parts = (0..<ranks).map { StatePlacement.part(of: count, rank: $0, ranks: ranks) }
            #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == count)
            #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
            #expect(parts.dropFirst().allSatisfy { $0.isEmpty || $0.lowerBound % 16 == 0 })
            let sizes = parts.map(\.count)
            #expect(sizes.max()! - sizes.min()! <= 32)
        }
    }
}

@Suite struct StepNotesTests {
    @Test func strangers() {
        typealias Told = StepNotes.Told
        #expect(Told.strangers(among: []) == [])
        #expect(Told.strangers(among: [5]) == [])
        #expect(Told.strangers(among: [5, 5, 5]) == [])
        #expect(Told.strangers(among: [5, 6]) == [1])
        #expect(Told.strangers(among: [6, 5, 5]) == [0])
        #expect(Told.strangers(among: [1, 2, 3, 1]) == [1, 2])
    }

    @Test func whatRanksAddUp() {
        let notes = StepNotes(isAudited: true)
        let ranks = [
            notes.numbers(rank: 0, ranks: 3, stop: nil, digest: .max),
            notes.numbers(rank: 1, ranks: 3, stop: .signal, digest: .max),
            notes.numbers(rank: 2, ranks: 3, stop: .time, digest: 7),
        ]
        let sums = ranks[0].indices.map { place in ranks.reduce(0) { $0 + $1[place] } }
        let told = StepNotes.Told(sums, notes, ranks: 3)
        #expect(told.stop == .signal && told.strangers == [2])
        let silent = StepNotes(isAudited: false)
        let none = StepNotes.Told(silent.numbers(rank: 0, ranks: 1, stop: nil, digest: 9), silent, ranks: 1)
        #expect(none.stop == nil && none.strangers == [])
    }
}

@Suite struct RunLockTests {
    @Test func oneHolderAtATime() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lock-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var stale: String?
        let first = try RunLock(folder: folder, stale: &stale)
        #expect(stale == nil)
        for _ in 0..<2 {
            let error = #expect(throws: ConfigError.self) { _ = try RunLock(folder: folder, stale: &stale) }
            #expect(error?.description.contains("process \(getpid()) on ") == true)
        }
        first.release()
        try RunLock(folder: folder, stale: &stale).release()
        #expect(stale == nil)
        // What a process that was killed leaves.
        try Data(#"{"host": "node7", "process": 12, "job": "345"}"#.utf8).write(to: URL(filePath: folder + "/.lock"))
        _ = try RunLock(folder: folder, stale: &stale)
        #expect(stale == "process 12 on node7, job 345")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
}
