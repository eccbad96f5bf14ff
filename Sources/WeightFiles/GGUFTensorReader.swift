/// Reads the descriptions of a GGUF file's tensors and checks them against the file.
struct GGUFTensorReader {
    /// The data begin at the next multiple of this after the descriptions.
    let alignment: Int

    /// A tensor as described, its offset still counted from the start of the data.
    private struct Description {
        let name: String
        let type: ElementType
        let shape: [Int]
        let byteCount: Int
        let offset: UInt64
    }

    func read(_ cursor: inout GGUFCursor, count: Int) throws -> TensorCollection {
        var descriptions: [Description] = []
        descriptions.reserveCapacity(min(count, 1024))
        var seen: Set<ByteName> = []
        for position in 0..<count {
            let description = try describe(&cursor, position)
            guard seen.insert(ByteName(description.name)).inserted else {
                throw cursor.error("tensor \(description.name) is there twice")
            }
            descriptions.append(description)
        }
        let file = cursor.file
        // A file without data may end before the place where they would begin.
        let dataStart = min((cursor.offset + alignment - 1) & ~(alignment - 1), file.bytes.count)
        let dataSize = file.bytes.count - dataStart
        var tensors: [StoredTensor] = []
        tensors.reserveCapacity(count)
        for tensor in descriptions {
            guard tensor.offset <= UInt64(dataSize), tensor.byteCount <= dataSize - Int(tensor.offset) else {
                throw cursor.error(
                    "tensor \(tensor.name): its \(tensor.byteCount) bytes from data byte \(tensor.offset) do not lie"
                        + " within the \(dataSize) bytes of data: the file is truncated or its header is wrong")
            }
            let start = dataStart + Int(tensor.offset)
            tensors.append(
                StoredTensor(
                    name: tensor.name, type: tensor.type, shape: tensor.shape, file: file,
                    range: start..<start + tensor.byteCount))
        }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        for (previous, next) in zip(tensors, tensors.dropFirst()) {
            guard next.range.lowerBound >= previous.range.upperBound else {
                throw cursor.error(
                    "tensor \(next.name): begins at data byte \(next.range.lowerBound - dataStart), inside tensor"
                        + " \(previous.name), which ends at \(previous.range.upperBound - dataStart)")
            }
        }
        return TensorCollection(path: file.path, tensors: tensors)
    }

    private func describe(_ cursor: inout GGUFCursor, _ position: Int) throws -> Description {
        let name = try cursor.name("the name of tensor \(position)")
        let what = "the description of tensor \(name)"
        let dimensionCount = try cursor.number(UInt32.self, what)
        guard dimensionCount <= 4 else {
            throw cursor.error("tensor \(name): has \(dimensionCount) dimensions, at most 4 were expected")
        }
        var shape: [Int] = []
        for _ in 0..<dimensionCount {
            let dimension = try cursor.number(UInt64.self, what)
            guard let dimension = Int(exactly: dimension) else {
                throw cursor.error("tensor \(name): has a dimension of \(dimension), below 2⁶³ was expected")
            }
            shape.insert(dimension, at: 0)
        }
        let type = try type(try cursor.number(UInt32.self, what), name, cursor)
        let offset = try cursor.number(UInt64.self, what)
        let rowLength = shape.last ?? 1
        guard rowLength.isMultiple(of: type.blockElements) else {
            throw cursor.error(
                "tensor \(name): \(type.name) of shape \(shape) has rows of \(rowLength) elements, a multiple of"
                    + " \(type.blockElements) was expected")
        }
        guard let byteCount = type.byteCount(shape: shape) else {
            throw cursor.error("tensor \(name): shape \(shape) has more elements than any file can hold")
        }
        return Description(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
    }

    private func type(_ number: UInt32, _ name: String, _ cursor: GGUFCursor) throws -> ElementType {
        switch GGMLType(number) {
        case .known(let type): return type
        case .refused(let typeName):
            throw cursor.error(
                "tensor \(name) is \(typeName), which lora-dist does not read; convert the model to one of"
                    + " \(ElementType.weightNames), for instance with llama-quantize")
        case nil:
            throw cursor.error(
                "tensor \(name) has the type number \(number), which is unknown; types read are"
                    + " \(ElementType.weightNames)")
        }
    }
}
