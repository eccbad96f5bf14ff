/// The scalar that begins at `position`, and its length in bytes. The bytes must be valid UTF-8.
@inline(__always) func decodeScalar(_ bytes: [UInt8], _ position: Int) -> (value: UInt32, count: Int) {
    let first = UInt32(bytes[position])
    if first < 0x80 { return (first, 1) }
    let second = UInt32(bytes[position + 1]) & 0x3F
    if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
    let third = UInt32(bytes[position + 2]) & 0x3F
    if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
    return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(bytes[position + 3]) & 0x3F, 4)
}

/// Where the scalar that ends at `position` begins. The bytes must be valid UTF-8.
@inline(__always) func scalarStart(_ bytes: [UInt8], before position: Int) -> Int {
    var start = position - 1
    while bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return start
}

/// - Throws: `TokenizerError` with the place of the first byte that is not valid UTF-8.
func checkUTF8(_ bytes: [UInt8]) throws {
    do throws(UTF8.ValidationError) {
        _ = try UTF8Span(validating: bytes.span)
    } catch {
        let offset = error.byteOffsets.lowerBound
        let line = bytes[..<offset].count { $0 == 0x0A } + 1
        throw TokenizerError(
            file: nil,
            reason: "the text is not valid UTF-8: byte \(offset) (line \(line)) is 0x"
                + String(bytes[offset], radix: 16, uppercase: true))
    }
}
