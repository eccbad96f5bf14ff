/// White space as Python's `str.isspace` and `\s` see it, in UTF-8.
enum Whitespace {
    static func contains(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// The bytes of the white-space scalar that begins at an offset; 0 if there is none.
    static func width(in bytes: [UInt8], at offset: Int) -> Int {
        guard offset < bytes.count else { return 0 }
        let first = bytes[offset]
        if first < 0x80 { return contains(Unicode.Scalar(first)) ? 1 : 0 }
        if first == 0xC2, offset + 1 < bytes.count {
            return bytes[offset + 1] == 0x85 || bytes[offset + 1] == 0xA0 ? 2 : 0
        }
        guard first >= 0xE1, first <= 0xE3, offset + 2 < bytes.count else { return 0 }
        let value = UInt32(first & 0xF) << 12 | UInt32(bytes[offset + 1] & 0x3F) << 6 | UInt32(bytes[offset + 2] & 0x3F)
        return Unicode.Scalar(value).map(contains) == true ? 3 : 0
    }

    /// The offset after all white space from `offset` on.
    static func end(in bytes: [UInt8], from offset: Int) -> Int {
        var offset = offset
        while true {
            let width = self.width(in: bytes, at: offset)
            if width == 0 { return offset }
            offset += width
        }
    }

    /// The offset where the white space before `end` begins, not below `start`.
    static func start(in bytes: [UInt8], before end: Int, from start: Int) -> Int {
        var end = end
        while end > start {
            var previous = end - 1
            while previous > start, bytes[previous] & 0xC0 == 0x80 { previous -= 1 }
            guard width(in: bytes, at: previous) == end - previous else { break }
            end = previous
        }
        return end
    }
}
