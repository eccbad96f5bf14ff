import Synchronization

/// Bits that several threads set.
final class Flags: Sendable {
    private let bits = Atomic<Int32>(0)
    func insert(_ flag: Int32) {
        if flag != 0 { bits.bitwiseOr(flag, ordering: .relaxed) }
    }
    var value: Int32 { bits.load(ordering: .relaxed) }
}
