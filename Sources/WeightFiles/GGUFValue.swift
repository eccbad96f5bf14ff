/// A metadata value. Integers of all widths are one case, floats of both widths another.
public enum GGUFValue: Sendable {
    case integer(Int128)
    case number(Double)
    case bool(Bool)
    case string(MappedBytes)
    case array(GGUFArray)
}

/// An array of scalars or strings as it lies in the file.
public struct GGUFArray: Sendable {
    /// The type of every element.
    public let elementType: GGUFValueType
    /// The number of elements.
    public let count: Int
    private let file: MappedFile
    /// Offset of the first element.
    private let start: Int
    /// For arrays of strings.
    public let strings: GGUFStringArray?

    /// `count` scalars from byte `start` on, all within the file.
    init(file: MappedFile, elementType: GGUFValueType, count: Int, start: Int) {
        self.file = file
        self.elementType = elementType
        self.count = count
        self.start = start
        strings = nil
    }

    /// An array of strings.
    init(_ strings: GGUFStringArray) {
        file = strings.file
        elementType = .string
        count = strings.count
        start = 0
        self.strings = strings
    }

    /// One element.
    public subscript(position: Int) -> GGUFValue {
        precondition(position >= 0 && position < count, "index outside the array")
        if let strings { return .string(strings[position]) }
        return scalar(position)
    }

    /// The elements as integers, or nil if they are of another type or one of them is 2⁶³ or more.
    public var ints: [Int]? {
        switch elementType {
        case .uint8: integers(UInt8.self)
        case .int8: integers(Int8.self)
        case .uint16: integers(UInt16.self)
        case .int16: integers(Int16.self)
        case .uint32: integers(UInt32.self)
        case .int32: integers(Int32.self)
        case .uint64: integers(UInt64.self)
        case .int64: integers(Int64.self)
        default: nil
        }
    }

    /// The elements as floats of 32 bits, or nil if they are of another type.
    public var floats: [Float]? {
        switch elementType {
        case .float32: (0..<count).map { Float(bitPattern: load($0, UInt32.self)) }
        case .float64: (0..<count).map { Float(Double(bitPattern: load($0, UInt64.self))) }
        default: nil
        }
    }

    private func integers<T: FixedWidthInteger>(_ type: T.Type) -> [Int]? {
        var result: [Int] = []
        result.reserveCapacity(count)
        for position in 0..<count {
            guard let value = Int(exactly: load(position, type)) else { return nil }
            result.append(value)
        }
        return result
    }

    private func load<T: FixedWidthInteger>(_ position: Int, _ type: T.Type) -> T {
        T(littleEndian: file.bytes.loadUnaligned(fromByteOffset: start + position * MemoryLayout<T>.size, as: T.self))
    }

    /// One element of an array of scalars.
    func scalar(_ position: Int) -> GGUFValue {
        switch elementType {
        case .uint8: .integer(Int128(load(position, UInt8.self)))
        case .int8: .integer(Int128(load(position, Int8.self)))
        case .uint16: .integer(Int128(load(position, UInt16.self)))
        case .int16: .integer(Int128(load(position, Int16.self)))
        case .uint32: .integer(Int128(load(position, UInt32.self)))
        case .int32: .integer(Int128(load(position, Int32.self)))
        case .uint64: .integer(Int128(load(position, UInt64.self)))
        case .int64: .integer(Int128(load(position, Int64.self)))
        case .float32: .number(Double(Float(bitPattern: load(position, UInt32.self))))
        case .float64: .number(Double(bitPattern: load(position, UInt64.self)))
        case .bool: .bool(load(position, UInt8.self) != 0)
        case .string, .array: preconditionFailure("not a scalar type")
        }
    }
}

/// The strings of an array as views over the mapped file.
public struct GGUFStringArray: RandomAccessCollection, Sendable {
    let file: MappedFile
    /// Offset of each string's length field, which its bytes follow.
    private let offsets: [Int]

    /// The strings whose 64-bit lengths lie at `offsets`, all within the file.
    init(file: MappedFile, offsets: [Int]) {
        self.file = file
        self.offsets = offsets
    }

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of strings.
    public var endIndex: Int { offsets.count }

    /// The bytes of one string.
    public subscript(position: Int) -> MappedBytes {
        let offset = offsets[position]
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        // `MappedBytes` checks again: the file may have been changed under the mapping.
        return MappedBytes(file: file, range: offset + 8..<offset + 8 + Int(truncatingIfNeeded: length))
    }
}
