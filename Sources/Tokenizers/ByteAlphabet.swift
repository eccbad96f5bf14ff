/// The alphabet in which byte-level vocabularies spell bytes: printable characters of Latin-1 stand for themselves, all
/// other bytes for U+0100 and on, in their order.   (Radford et al. 2019, bytes_to_unicode)
enum ByteAlphabet {
    /// The UTF-8 spelling of each byte.
    static let spellings: [[UInt8]] = scalars.map { Array(String(Character($0)).utf8) }

    private static let scalars: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next)!
            }
        }
    }()

    /// The byte of each scalar below U+0144, −1 where there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
        return bytes
    }()

    /// The bytes that a token spells; nil if it has a character outside the alphabet.
    static func decode(_ token: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        var position = 0
        while position < token.count {
            let scalar = decodeScalar(token, position)
            guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return nil }
            result.append(UInt8(bytes[Int(scalar.value)]))
            position += scalar.count
        }
        return result
    }
}
