/// What is wrong with a JSON text, and where.
public struct JSONError: Error, CustomStringConvertible, Sendable {
    /// Offset of the offending byte from the start of the text.
    public let offset: Int
    /// Line and column of that byte, from 1; the column counts bytes.
    public let line: Int, column: Int
    public let reason: String
    public var description: String { "line \(line), column \(column): \(reason)" }
}

extension JSON {
    /// Parses one JSON text and nothing after it but white space.
    /// - Throws: `JSONError` for anything that RFC 8259 does not allow, invalid UTF-8, lone surrogates, or nesting
    ///   deeper than 256.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var parser = JSONParser(bytes: bytes)
        parser.skipSpace()
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        if parser.position < bytes.count { throw parser.error("unexpected text after the value") }
        self = value
    }

    /// Parses a JSON text held in an array of bytes.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { buffer in
            do throws(JSONError) { return .success(try JSON(parsing: buffer)) } catch { return .failure(error) }
        }
        self = try result.get()
    }

    /// Parses a JSON text held in a string.
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }
}

/// A recursive-descent parser over raw bytes.
private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    func error(_ reason: String, at offset: Int? = nil) -> JSONError {
        let offset = min(offset ?? position, bytes.count)
        var line = 1
        var lineStart = 0
        for i in 0..<offset where bytes[i] == 0x0A {
            line += 1
            lineStart = i + 1
        }
        return JSONError(offset: offset, line: line, column: offset - lineStart + 1, reason: reason)
    }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    mutating func value(depth: Int) throws(JSONError) -> JSON {
        guard depth < 256 else { throw error("nested deeper than 256") }
        guard position < bytes.count else { throw error("the text ends where a value is expected") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw error("a value is expected")
        }
    }

    private mutating func literal(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count,
            (0..<count).allSatisfy({ bytes[position + $0] == text.utf8Start[$0] })
        else { throw error("a value is expected") }
        position += count
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        position += 1
        var members: [(key: String, value: JSON)] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return JSONObject() }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw error("a key in quotes is expected")
            }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("':' is expected after a key") }
            skipSpace()
            members.append((key, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return JSONObject(members) }
            guard take(UInt8(ascii: ",")) else { throw error("',' or '}' is expected") }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
        position += 1
        var elements: [JSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return elements }
        while true {
            skipSpace()
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return elements }
            guard take(UInt8(ascii: ",")) else { throw error("',' or ']' is expected") }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = position
        var isInteger = true
        _ = take(UInt8(ascii: "-"))
        let digitsStart = position
        skipDigits()
        guard position > digitsStart else { throw error("a digit is expected") }
        guard position == digitsStart + 1 || bytes[digitsStart] != UInt8(ascii: "0") else {
            throw error("a number may not begin with 0", at: digitsStart)
        }
        if take(UInt8(ascii: ".")) {
            isInteger = false
            let fraction = position
            skipDigits()
            guard position > fraction else { throw error("a digit is expected") }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            let exponent = position
            skipDigits()
            guard position > exponent else { throw error("a digit is expected") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("the number is out of range", at: start) }
        return .number(value)
    }

    private mutating func skipDigits() {
        while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 { position += 1 }
    }

    private mutating func string() throws(JSONError) -> String {
        let open = position
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = try utf8(start..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"): return try escapedString(from: start, open: open)
            case 0..<0x20: throw error("a control character stands unescaped in a string")
            default: position += 1
            }
        }
        throw error("the string that begins here does not end", at: open)
    }

    private func utf8(_ range: Range<Int>) throws(JSONError) -> String {
        let slice = UnsafeRawBufferPointer(rebasing: bytes[range])
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw error("the string is not valid UTF-8", at: range.lowerBound)
        }
        return text
    }

    private mutating func escapedString(from start: Int, open: Int) throws(JSONError) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw error("the string is not valid UTF-8", at: open)
                }
                return result
            }
            if byte == UInt8(ascii: "\\") {
                position += 1
                try appendEscape(to: &text)
                continue
            }
            guard byte >= 0x20 else { throw error("a control character stands unescaped in a string") }
            text.append(byte)
            position += 1
        }
        throw error("the string that begins here does not end", at: open)
    }

    private mutating func appendEscape(to text: inout [UInt8]) throws(JSONError) {
        guard position < bytes.count else { throw error("the text ends inside an escape") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if code >= 0xD800, code < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard low >= 0xDC00, low < 0xE000 else { throw error("a surrogate without its other half") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("a surrogate without its other half") }
            text.append(contentsOf: Array(String(scalar).utf8))
        default: throw error("unknown escape", at: position - 1)
        }
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw error("four hexadecimal digits are expected after \\u")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}
