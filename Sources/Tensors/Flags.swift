import Synchronization

/// Bits that several threads set.
final class Flags: Sendable {
    private let bits = Atomic<Int32>(0)
    func insert(_ flag: Int32) {
        if flag != 0 { bits.bitwiseOr(flag, ordering: .relaxed) }
    }
    var value: Int32 { bits.load(ordering: .relaxed) }
}

/// The largest of numbers that several threads find; none is negative.
final class LargestFloat: Sendable {
    /// Bits of floats that are not negative are in the order of the floats.
    private let bits = Atomic<UInt32>(0)
    func insert(_ value: Float) { bits.max(value.bitPattern, ordering: .relaxed) }
    var value: Float { Float(bitPattern: bits.load(ordering: .relaxed)) }
}
