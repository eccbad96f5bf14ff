public import WeightFiles

/// How an adapter's numbers are written.
public enum NumberFormat: String, Sendable, CaseIterable {
    case float32, float16, bfloat16
}

extension NamedTensor {
    /// The same with every number rounded to what a format can hold.
    /// - Throws: `WeightFileError` that names the tensor if a finite number is beyond the format.
    func rounded(to format: NumberFormat, file: String) throws -> NamedTensor {
        let rounded = floats.map(format.rounded)
        if let index = rounded.indices.first(where: { !rounded[$0].isFinite && floats[$0].isFinite }) {
            let (place, most) = ("\(index / columns), \(index % columns)", format == .float16 ? "65,504" : "3.39e38")
            throw WeightFileError(
                file: file,
                reason: "\(name)[\(place)] is \(floats[index]), and \(format.rawValue) ends at \(most); write it as "
                    + (format == .float16 ? "bfloat16 or float32 (output.adapter_dtype)" : "float32"))
        }
        return NamedTensor(name: name, rows: rows, columns: columns, floats: rounded)
    }

    /// The tensor as a file gets it; its numbers must be rounded to the format.
    func source(_ format: NumberFormat) -> SafetensorsWriter.Source {
        unsafe SafetensorsWriter.Source(name: name, type: format.elementType, shape: shape) { body in
            switch format {
            case .float32: try unsafe floats.withUnsafeBytes(body)
            case .float16: try unsafe floats.map { Float16($0).bitPattern.littleEndian }.withUnsafeBytes(body)
            case .bfloat16:
                try unsafe floats.map { UInt16($0.bitPattern >> 16).littleEndian }.withUnsafeBytes(body)
            }
        }
    }
}

extension NumberFormat {
    /// The type of the numbers in a file.
    public var elementType: ElementType {
        switch self {
        case .float32: .f32
        case .float16: .f16
        case .bfloat16: .bf16
        }
    }

    /// The nearest number of the format; of two, the one whose last bit is 0.
    fileprivate func rounded(_ value: Float) -> Float {
        switch self {
        case .float32: return value
        case .float16: return Float(Float16(value))
        case .bfloat16:
            if value.isNaN { return Float(bitPattern: value.bitPattern & 0xFFFF_0000 | 0x0040_0000) }
            let bits = value.bitPattern
            return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
        }
    }
}
