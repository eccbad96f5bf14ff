/// The order in which an epoch visits its examples: a permutation of 0..<count that is a pure function of
/// (seed, purpose, epoch), computed for one position at a time.
///
/// It is the swap-or-not shuffle (Hoang, Morris and Rogaway 2012, "An Enciphering Scheme Based on a Card Shuffle"). Round
/// i pairs every x with (kᵢ − x) mod count, and a hash of the pair's larger member and i decides whether the two change
/// places. Each round is a permutation, so all are; nothing is stored, sorted or drawn in sequence.
public struct RowOrder: Sendable {
    /// What an order is for, so that two uses of one seed are independent.
    public enum Purpose: UInt64, Sendable {
        /// The order of training examples.
        case training = 1
        /// Which rows are held out for evaluation.
        case heldOut = 2
    }

    /// How many examples are permuted.
    public let count: Int
    private let keys: [(offset: Int, salt: UInt64)]

    /// The order of `count` examples in an epoch (from 0) of a run with this seed.
    public init(count: Int, seed: UInt64, epoch: Int, purpose: Purpose = .training) {
        precondition(count >= 0, "count must not be negative")
        self.count = count
        var state = mixed(mixed(mixed(seed) ^ purpose.rawValue) ^ UInt64(truncatingIfNeeded: epoch))
        var keys: [(offset: Int, salt: UInt64)] = []
        // The paper's bound needs about 6·log₂(count) rounds; small counts get more than they need.
        let rounds = count < 2 ? 0 : max(64, 6 * (Int.bitWidth - count.leadingZeroBitCount))
        for _ in 0..<rounds {
            state &+= 0x9E37_79B9_7F4A_7C15
            let draw = mixed(state)
            keys.append((Int(draw.multipliedFullWidth(by: UInt64(count)).high), mixed(draw)))
        }
        self.keys = keys
    }

    /// The example at `position` of the epoch.
    public subscript(position: Int) -> Int {
        precondition(position >= 0 && position < count, "position outside the epoch")
        var x = position
        for key in keys {
            let partner = key.offset >= x ? key.offset - x : key.offset - x + count
            if mixed(UInt64(max(x, partner)) ^ key.salt) & 1 == 1 { x = partner }
        }
        return x
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection in which every bit of the argument moves every
/// bit of the result.
func mixed(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}
