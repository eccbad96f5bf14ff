import Glibc
import Synchronization

/// Ends the process with a clear line when a mapped file cannot be read any more.
///
/// Reading a page of a mapping beyond the end of a file that has shrunk, or one its disk cannot deliver, raises SIGBUS.
/// The handler looks the address up in a table of mappings; everything it touches is allocated beforehand and read by
/// atomic loads, since a signal handler may neither allocate nor lock. A SIGBUS elsewhere goes to the handler that was
/// installed before.
enum BusErrorGuard {
    /// The most files that can be mapped at once.
    static let capacity = 8192

    /// Notes a mapping, installing the handler first if this is the first one.
    /// - Returns: the slot to give to `remove`, or nil if the table is full.
    static func add(start: UInt, count: Int, path: String) -> Int? {
        installed
        let line = "lora-dist: \(path): cannot be read any more: the file has become shorter, or its disk failed\n"
        let bytes = Array(line.utf8)
        let text = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        text.initialize(from: bytes, count: bytes.count)
        for slot in 0..<capacity {
            let taken = table[slot].isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring)
            guard taken.exchanged else { continue }
            table[slot].text.store(UInt(bitPattern: text), ordering: .relaxed)
            table[slot].textCount.store(bytes.count, ordering: .relaxed)
            table[slot].end.store(start + UInt(count), ordering: .relaxed)
            table[slot].start.store(start, ordering: .releasing)
            return slot
        }
        text.deallocate()
        return nil
    }

    /// Forgets the mapping in `slot`; call before unmapping it.
    static func remove(_ slot: Int) {
        table[slot].start.store(0, ordering: .releasing)
        table[slot].end.store(0, ordering: .relaxed)
        UnsafeMutablePointer<UInt8>(bitPattern: table[slot].text.exchange(0, ordering: .relaxed))?.deallocate()
        table[slot].isTaken.store(false, ordering: .releasing)
    }

    /// Evaluated once, at the first mapping.
    private static let installed: Void = {
        for slot in 0..<capacity { (table + slot).initialize(to: Slot()) }
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { signal, info, context in
            BusErrorGuard.handle(signal, info, context)
        }
        action.sa_flags = SA_SIGINFO
        sigaction(SIGBUS, &action, previous)
    }()

    private static func handle(
        _ signal: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _ context: UnsafeMutableRawPointer?
    ) {
        let address = UInt(bitPattern: info?.pointee._sifields._sigfault.si_addr)
        for slot in 0..<capacity {
            let start = table[slot].start.load(ordering: .acquiring)
            guard start != 0, address >= start, address < table[slot].end.load(ordering: .relaxed) else { continue }
            let text = UnsafePointer<UInt8>(bitPattern: table[slot].text.load(ordering: .relaxed))
            _ = write(STDERR_FILENO, text, table[slot].textCount.load(ordering: .relaxed))
            _exit(3)
        }
        let old = previous.pointee.__sigaction_handler
        if previous.pointee.sa_flags & SA_SIGINFO != 0, let action = old.sa_sigaction {
            action(signal, info, context)
        } else if let handler = old.sa_handler, UInt(bitPattern: unsafeBitCast(handler, to: Int.self)) > 1 {
            handler(signal)
        } else {
            // Nobody else handles it: the default action ends the process when this returns.
            var standard = sigaction()
            standard.__sigaction_handler.sa_handler = SIG_DFL
            sigaction(SIGBUS, &standard, nil)
            raise(signal)
        }
    }

    /// One mapping: addresses [start, end), 0 where there is none; `text` is the line to write.
    private struct Slot: ~Copyable {
        let isTaken = Atomic<Bool>(false)
        let start = Atomic<UInt>(0)
        let end = Atomic<UInt>(0)
        let text = Atomic<UInt>(0)
        let textCount = Atomic<Int>(0)
    }

    nonisolated(unsafe) private static let table = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
    nonisolated(unsafe) private static let previous: UnsafeMutablePointer<sigaction> = {
        let action = UnsafeMutablePointer<sigaction>.allocate(capacity: 1)
        action.initialize(to: sigaction())
        return action
    }()
}
