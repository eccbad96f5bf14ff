/// One tensor as it lies in a mapped file: a description whose size and place have been checked against the file.
public struct StoredTensor: Sendable {
    /// The name in the file.
    public let name: String
    /// How the elements are kept.
    public let type: ElementType
    /// Row-major, outermost dimension first: a linear layer's weight is (outputs, inputs).
    public let shape: [Int]
    /// The file that holds it.
    public let file: MappedFile
    /// Byte offsets from the start of the file.
    public let range: Range<Int>

    /// The tensor's bytes, of any alignment; valid as long as `file` lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

    /// Product of the shape.
    public var elementCount: Int { shape.reduce(1, *) }
}

/// The tensors of one or several files by name.
public struct TensorCollection: Sendable {
    /// In the order of the files and, within a file, of the data.
    public let tensors: [StoredTensor]
    /// What messages about the whole collection name: a file or a folder.
    public let path: String
    /// The text members of a safetensors file's `__metadata__`, in the order of the file; empty for other sources.
    public let metadata: [(key: String, value: String)]
    private let index: [ByteName: Int]

    /// Tensors with unique names.
    init(path: String, tensors: [StoredTensor], metadata: [(key: String, value: String)] = []) {
        self.path = path
        self.tensors = tensors
        self.metadata = metadata
        var index: [ByteName: Int] = [:]
        index.reserveCapacity(tensors.count)
        for (position, tensor) in tensors.enumerated() { index[ByteName(tensor.name)] = position }
        self.index = index
    }

    /// The tensor of exactly this name (compared by bytes).
    public subscript(name: String) -> StoredTensor? { index[ByteName(name)].map { tensors[$0] } }

    /// All names, in the order of `tensors`.
    public var names: [String] { tensors.map(\.name) }

    /// The tensor of this name and shape, of a type that can be used as a weight.
    /// - Throws: `WeightFileError` if it is missing, has another shape, or is of a type such as I64 or BOOL.
    public func weight(_ name: String, shape: [Int]) throws -> StoredTensor {
        guard let tensor = self[name] else {
            throw WeightFileError(file: path, reason: "tensor \(name) of shape \(shape) is missing")
        }
        guard tensor.shape == shape else {
            throw WeightFileError(
                file: tensor.file.path, reason: "tensor \(name) is \(tensor.shape), expected \(shape)")
        }
        guard tensor.type.isWeight else {
            throw WeightFileError(
                file: tensor.file.path,
                reason: "tensor \(name) is \(tensor.type.name), expected one of \(ElementType.weightNames)")
        }
        return tensor
    }
}
