/// One row as the model sees it.
public struct Example: Sendable, Equatable {
    /// The label of a token that is not trained.
    public static let ignored: Int32 = -100

    /// Token ids, at most `DataOptions.maxLength`.
    public var tokens: [Int32]
    /// For each token its own id if it is trained, else `ignored`; the model shifts, so the first label never counts.
    public var labels: [Int32]

    public init(tokens: [Int32], labels: [Int32]) {
        self.tokens = tokens
        self.labels = labels
    }
}

/// What is known of an example before it is used: 12 bytes, so that all ranks can hold all of them.
public struct ExampleSize: Sendable, Equatable {
    /// Why an example is left out.
    public enum Drop: UInt8, Sendable {
        /// More tokens than `max_length`, and `long_examples: drop`.
        case tooLong = 1
        /// No token is trained, or none that is left after truncation.
        case untrained = 2
    }

    /// A beginning that an example has in common with others.
    public struct Prefix: Sendable, Equatable {
        /// Its place in `SharedPrefixes.tokens`, at most 14.
        public let index: Int
        /// Its length, less than the example's.
        public let tokens: Int

        public init(index: Int, tokens: Int) {
            precondition(0..<15 ~= index && tokens > 0, "no such prefix")
            self.index = index
            self.tokens = tokens
        }
    }

    private var tokenBits: UInt32
    private var trainedBits: UInt32
    private var prefixBits: UInt32
    private static let countMask: UInt32 = 0x0FFF_FFFF

    /// Counts are kept up to 2²⁸ − 1.
    /// - Parameters:
    ///   - tokens: tokens of the example after truncation.
    ///   - trained: labels that the shifted loss counts: those at positions from 1 on that are not `Example.ignored`.
    ///   - isTruncated: whether tokens were cut off.
    ///   - endsTurn: whether a token that ends a turn is among the trained ones.
    ///   - drop: why the example is left out, if it is.
    ///   - prefix: the shared prefix that it begins with, if there is one.
    public init(
        tokens: Int, trained: Int, isTruncated: Bool = false, endsTurn: Bool = false, drop: Drop? = nil,
        prefix: Prefix? = nil
    ) {
        tokenBits = UInt32(clamping: min(tokens, Int(Self.countMask))) | (isTruncated ? 1 << 31 : 0)
        if endsTurn { tokenBits |= 1 << 30 }
        trainedBits = UInt32(clamping: min(trained, Int(Self.countMask))) | UInt32(drop?.rawValue ?? 0) << 28
        prefixBits = 0
        self.prefix = prefix
    }

    public var tokens: Int { Int(tokenBits & Self.countMask) }
    public var trained: Int { Int(trainedBits & Self.countMask) }
    public var isTruncated: Bool { tokenBits & 1 << 31 != 0 }
    public var endsTurn: Bool { tokenBits & 1 << 30 != 0 }
    public var drop: Drop? { Drop(rawValue: UInt8(trainedBits >> 28)) }
    /// The shared prefix that the example begins with.
    public var prefix: Prefix? {
        get {
            prefixBits == 0 ? nil : Prefix(index: Int(prefixBits >> 28) - 1, tokens: Int(prefixBits & Self.countMask))
        }
        set { prefixBits = newValue.map { UInt32($0.index + 1) << 28 | UInt32($0.tokens) & Self.countMask } ?? 0 }
    }

    /// The sizes as bytes, 12 each, little-endian: what ranks send each other.
    public static func packed(_ sizes: [ExampleSize]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(12 * sizes.count)
        for size in sizes {
            for word in [size.tokenBits, size.trainedBits, size.prefixBits] {
                for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * byte))) }
            }
        }
        return bytes
    }

    /// The inverse of `packed`; `bytes.count` must be a multiple of 12.
    public static func unpacked(_ bytes: [UInt8]) -> [ExampleSize] {
        precondition(bytes.count.isMultiple(of: 12), "sizes are 12 bytes each")
        return stride(from: 0, to: bytes.count, by: 12).map { start in
            func word(_ index: Int) -> UInt32 {
                (0..<4).reduce(0) { $0 | UInt32(bytes[start + 4 * index + $1]) << UInt32(8 * $1) }
            }
            var size = ExampleSize(tokens: 0, trained: 0)
            (size.tokenBits, size.trainedBits, size.prefixBits) = (word(0), word(1), word(2))
            return size
        }
    }
}
