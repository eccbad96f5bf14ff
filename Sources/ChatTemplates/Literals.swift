/// Numbers and strings as templates write them.
enum Literals {
    /// The scalar at an offset of valid UTF-8 and its width in bytes.
    static func scalar(in bytes: [UInt8], at offset: Int) -> (Unicode.Scalar, Int)? {
        guard offset < bytes.count else { return nil }
        let first = bytes[offset]
        let width = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        guard width > 1 else { return (Unicode.Scalar(first), 1) }
        var value = UInt32(first) & (0x7F >> UInt32(width))
        for i in 1..<width { value = value << 6 | UInt32(bytes[offset + i] & 0x3F) }
        return Unicode.Scalar(value).map { ($0, width) }
    }

    /// An integer (decimal, 0x, 0o, 0b, with single `_` between digits) or a float that begins at `start`.
    static func number(in source: [UInt8], at start: Int, line: Int) throws -> (Token.Kind, Int) {
        func digits(_ offset: Int, _ allowed: (UInt8) -> Bool) -> Int {
            var end = offset
            while end < source.count {
                if allowed(source[end]) {
                    end += 1
                } else if source[end] == UInt8(ascii: "_"), end > offset, end + 1 < source.count,
                    allowed(source[end + 1])
                {
                    end += 2
                } else {
                    break
                }
            }
            return end
        }
        func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
        func text(_ range: Range<Int>) -> String {
            String(decoding: source[range].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        }
        let isAfterDot = start > 0 && source[start - 1] == UInt8(ascii: ".")
        let whole = digits(start, isDigit)
        var end = whole
        if !isAfterDot {
            if end + 1 < source.count, source[end] == UInt8(ascii: "."), isDigit(source[end + 1]) {
                end = digits(end + 1, isDigit)
            }
            if end < source.count, source[end] | 0x20 == UInt8(ascii: "e") {
                let hasSign = end + 1 < source.count && (source[end + 1] == 0x2B || source[end + 1] == 0x2D)
                let exponent = end + (hasSign ? 2 : 1)
                if exponent < source.count, isDigit(source[exponent]) { end = digits(exponent, isDigit) }
            }
            if end > whole, let value = Double(text(start..<end)) { return (.float(value), end) }
        }
        if source[start] == UInt8(ascii: "0"), start + 2 < source.count {
            let radix = [UInt8(ascii: "x"): 16, UInt8(ascii: "o"): 8, UInt8(ascii: "b"): 2][source[start + 1] | 0x20]
            if let radix {
                let end = digits(start + 2) { Int(String(Unicode.Scalar($0)), radix: radix) != nil }
                if end > start + 2, let value = Int(text(start + 2..<end), radix: radix) {
                    return (.integer(value), end)
                }
            }
        }
        guard let value = Int(text(start..<whole)) else { throw Fault("an integer is beyond 64 bits", line: line) }
        return (.integer(value), whole)
    }

    /// The bytes of a string between its quotes, escapes resolved as Python's `unicode-escape` does.
    static func unescape(_ body: ArraySlice<UInt8>, line: Int) throws -> [UInt8] {
        guard body.contains(UInt8(ascii: "\\")) else { return Array(body) }
        let body = Array(body)
        var out: [UInt8] = []
        var i = 0
        func hex(_ count: Int, _ name: String) throws -> Unicode.Scalar {
            let end = i + count
            guard end <= body.count, body[i..<end].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let value = UInt32(String(decoding: body[i..<end], as: UTF8.self), radix: 16)
            else {
                throw Fault("an escape '\\\(name)' in a string needs \(count) hexadecimal digits", line: line)
            }
            guard let scalar = Unicode.Scalar(value) else {
                throw Fault("an escape '\\\(name)' in a string is not a Unicode scalar (a surrogate?)", line: line)
            }
            i = end
            return scalar
        }
        while i < body.count {
            guard body[i] == UInt8(ascii: "\\"), i + 1 < body.count else {
                out.append(body[i])
                i += 1
                continue
            }
            let code = body[i + 1]
            i += 2
            switch code {
            case UInt8(ascii: "\n"): break
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): out.append(code)
            case UInt8(ascii: "a"): out.append(7)
            case UInt8(ascii: "b"): out.append(8)
            case UInt8(ascii: "t"): out.append(9)
            case UInt8(ascii: "n"): out.append(10)
            case UInt8(ascii: "v"): out.append(11)
            case UInt8(ascii: "f"): out.append(12)
            case UInt8(ascii: "r"): out.append(13)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                var value = UInt32(code - 0x30)
                var count = 1
                while count < 3, i < body.count, body[i] >= 0x30, body[i] <= 0x37 {
                    value = value * 8 + UInt32(body[i] - 0x30)
                    i += 1
                    count += 1
                }
                out.append(contentsOf: UTF8.encode(Unicode.Scalar(value)!)!)
            case UInt8(ascii: "x"): out.append(contentsOf: UTF8.encode(try hex(2, "x"))!)
            case UInt8(ascii: "u"): out.append(contentsOf: UTF8.encode(try hex(4, "u"))!)
            case UInt8(ascii: "U"): out.append(contentsOf: UTF8.encode(try hex(8, "U"))!)
            case UInt8(ascii: "N"): throw Fault("named characters (\\N{…}) in strings are not supported", line: line)
            default: out.append(contentsOf: [UInt8(ascii: "\\"), code])
            }
        }
        return out
    }
}
