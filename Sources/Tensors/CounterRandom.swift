import CKernels
import Glibc

/// Random numbers as a function of what they are for: Philox4x32-10 (Salmon et al. 2011) keyed by (seed, purpose), counted by
/// (step, example, position, feature). No state, so that it does not matter who asks, or in which order.
public struct CounterRandom: Sendable {
    let key: (UInt32, UInt32)

    /// A stream of numbers; `purpose` tells the streams of one seed apart.
    public init(seed: UInt64, purpose: UInt64) {
        let mixed = Self.mix(Self.mix(seed) ^ purpose &* 0x9E37_79B9_7F4A_7C15)
        key = (UInt32(truncatingIfNeeded: mixed), UInt32(truncatingIfNeeded: mixed >> 32))
    }

    /// SplitMix64's output function: a bijection of 64 bits.
    public static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// The four 32-bit numbers at a counter.
    public func block(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32) -> (UInt32, UInt32, UInt32, UInt32) {
        var out: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
        withUnsafeBytes(of: (a, b, c, d)) { counter in
            withUnsafeBytes(of: key) { key in
                withUnsafeMutableBytes(of: &out) { words in
                    ck_philox(
                        counter.bindMemory(to: UInt32.self).baseAddress!, key.bindMemory(to: UInt32.self).baseAddress!,
                        words.bindMemory(to: UInt32.self).baseAddress!)
                }
            }
        }
        return out
    }

    /// The numbers in [0, 1) of indices 0 ..< count, as `uniform` gives them.
    public func uniforms(_ count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            for start in stride(from: 0, to: count, by: 4) {
                let words = block(
                    UInt32(truncatingIfNeeded: start / 4), UInt32(truncatingIfNeeded: start >> 34), 0, 0)
                for (lane, word) in [words.0, words.1, words.2, words.3].enumerated() where start + lane < count {
                    buffer[start + lane] = Float(word >> 8) * 0x1p-24
                }
            }
            initialized = count
        }
    }

    /// Numbers of the normal distribution with mean 0 and deviation 1, two of each two uniform ones. (Box & Muller 1958)
    public func normals(_ count: Int) -> [Float] {
        let uniforms = uniforms((count + 1) / 2 * 2)
        return (0..<count).map { i in
            let radius = (-2 * log(1 - Double(uniforms[i & ~1]))).squareRoot()
            let angle = 2 * Double.pi * Double(uniforms[i | 1])
            return Float(radius * (i.isMultiple(of: 2) ? cos(angle) : sin(angle)))
        }
    }

    /// A number in [0, 1) with 24 bits, by index.
    public func uniform(_ index: Int) -> Float {
        let block = block(UInt32(truncatingIfNeeded: index / 4), UInt32(truncatingIfNeeded: index >> 34), 0, 0)
        let words = [block.0, block.1, block.2, block.3]
        return Float(words[index % 4] >> 8) * 0x1p-24
    }
}

/// The dropout of one layer's input for one micro-batch: which features of which token are kept depends on (seed, purpose, step,
/// example, position, feature) alone.
public struct DropoutMask: Sendable {
    private let random: CounterRandom
    private let threshold: UInt32
    private let scale: Float
    private let step: UInt32
    private let tokens: TokenKeys

    /// What names each token of a micro-batch: its example and its position in it.
    public struct TokenKeys: Sendable {
        public let examples: [UInt32], positions: [UInt32]
        public init(examples: [UInt32], positions: [UInt32]) {
            precondition(examples.count == positions.count)
            self.examples = examples
            self.positions = positions
        }
    }

    /// - Parameters:
    ///   - probability: that a feature is set to zero, in [0, 1); the others are multiplied by 1/(1 − probability).
    ///   - seed: of the run.
    ///   - purpose: tells the layers' inputs apart.
    ///   - step: the update that the pass leads to.
    ///   - tokens: what names each row.
    public init(probability: Double, seed: UInt64, purpose: UInt64, step: Int, tokens: TokenKeys) {
        precondition(probability >= 0 && probability < 1)
        random = CounterRandom(seed: seed, purpose: purpose)
        threshold = UInt32((probability * 0x1p32).rounded(.down))
        scale = Float(1 / (1 - probability))
        self.step = UInt32(truncatingIfNeeded: step)
        self.tokens = tokens
    }

    /// x = mask(x) for the features of one token, (1, features).
    public func apply(row token: Int, to x: MatrixView) {
        precondition(token < tokens.examples.count)
        withCounter(token) { counter, key in
            ck_dropout(x.row(0), x.row(0), x.columns, counter, key, threshold, scale)
        }
    }

    /// y += mask(x) for features first ..< first + count of one token.
    func add(
        _ x: UnsafePointer<Float>, token: Int, first: Int, count: Int, to y: UnsafeMutablePointer<Float>
    ) {
        withCounter(token) { counter, key in
            ck_dropout_add(x, y, first, count, counter, key, threshold, scale)
        }
    }

    private func withCounter(_ token: Int, _ body: (UnsafePointer<UInt32>, UnsafePointer<UInt32>) -> Void) {
        let counter: (UInt32, UInt32, UInt32, UInt32) = (0, tokens.positions[token], tokens.examples[token], step)
        withUnsafeBytes(of: counter) { counterBytes in
            withUnsafeBytes(of: random.key) { keyBytes in
                body(
                    counterBytes.bindMemory(to: UInt32.self).baseAddress!,
                    keyBytes.bindMemory(to: UInt32.self).baseAddress!)
            }
        }
    }
}
