import WeightFiles

extension PEFTFolder {
    /// Writes the folder as PEFT would. Each file is written under a temporary name, flushed to the disk, read back and compared; only
    /// when all are right do they get their names. Other files of the folder stay. What PiSSA began with goes to a folder in it,
    /// `pissa_init`, before.
    /// - Parameters:
    ///   - path: is made if it is not there (its parent must be).
    ///   - files: paths of further files (the tokenizer's) to copy into the folder under their own names.
    ///   - format: of the numbers; those of 16 bits are rounded to the nearest, ties to even.
    /// - Throws: `WeightFileError` if a file cannot be written, does not read back as it was written, or if a number is beyond
    ///   the format.
    public func write(to path: String, copying files: [String] = [], as format: NumberFormat = .float32) throws {
        let tensors = try format == .float32 ? tensors : tensors.map { try $0.rounded(to: format, file: path) }
        try FileSystem.makeFolder(path)
        let suffix = ".partial"
        var names: [String] = []
        for file in files {
            guard let bytes = try FileSystem.read(file) else { throw WeightFileError(file: file, reason: "is missing") }
            let name = String(file.split(separator: "/").last ?? "")
            try Self.writeChecked(bytes, to: "\(path)/\(name)\(suffix)")
            names.append(name)
        }
        let configPath = "\(path)/\(Self.configName)\(suffix)"
        try Self.writeChecked(Array(config.json(modules: modules).utf8), to: configPath)
        let weightsPath = "\(path)/\(Self.weightsName)\(suffix)"
        try unsafe SafetensorsWriter().write(
            to: weightsPath, sources: tensors.map { $0.source(format) }, metadata: ["format": "pt"])
        let found = try TensorCollection.safetensors(at: weightsPath)
        // One after the other, so that no second copy of all stands in memory.
        let isSame = try tensors.allSatisfy { tensor in
            try found[tensor.name].map { Self.isSame(try Self.widened($0), tensor) } ?? false
        }
        guard isSame, found.tensors.count == tensors.count else {
            throw WeightFileError(file: weightsPath, reason: "does not read back as it was written; is the disk sound?")
        }
        if !initial.isEmpty {
            var start = config
            start.initLoRAWeights = .standard
            start.useDoRA = false
            start.bias = .none
            start.modulesToSave = []
            try PEFTFolder(config: start, tensors: initial).write(to: "\(path)/\(Self.initialFolder)")
        }
        for name in names + [Self.configName, Self.weightsName] {
            try FileSystem.rename("\(path)/\(name)\(suffix)", to: "\(path)/\(name)")
        }
        try FileSystem.flushFolder(path)
    }

    private static func writeChecked(_ bytes: [UInt8], to path: String) throws {
        try FileSystem.write(bytes, to: path)
        guard try FileSystem.read(path) == bytes else {
            throw WeightFileError(file: path, reason: "does not read back as it was written; is the disk sound?")
        }
    }

    /// Equal in name, shape and every bit.
    private static func isSame(_ a: NamedTensor, _ b: NamedTensor) -> Bool {
        a.name.utf8.elementsEqual(b.name.utf8) && a.rows == b.rows && a.columns == b.columns
            && a.floats.elementsEqual(b.floats) { $0.bitPattern == $1.bitPattern }
    }
}
