import WeightFiles

/// Checks that tensors are pairs of A and B, for DoRA with magnitudes, and what else is trained, as a config says.
struct AdapterChecker {
    let config: AdapterConfig
    let file: String

    private static let prefix = "base_model.model."
    private static let endings = [".lora_A.weight", ".lora_B.weight"]

    private func error(_ reason: String) -> WeightFileError { WeightFileError(file: file, reason: reason) }

    /// The modules that the tensors, sorted by name, belong to.
    func modules(of tensors: [NamedTensor]) throws -> [String] {
        guard !tensors.isEmpty else { throw error("holds no tensors") }
        let parts = Dictionary(grouping: tensors, by: \.part)
        let modules = try adaptedModules(of: parts[.lowRank] ?? [])
        try checkBiases(parts[.bias] ?? [], Set(modules))
        try checkWhole(parts[.whole] ?? [])
        return modules
    }

    private func adaptedModules(of tensors: [NamedTensor]) throws -> [String] {
        guard !tensors.isEmpty else { throw error("holds no \(Self.endings[0]) and no \(Self.endings[1])") }
        var modules: [String] = []
        var position = 0
        while position < tensors.count {
            let (module, isB) = try parts(of: tensors[position].name)
            // In the order of names, a module's A stands right before its B.
            guard !isB else { throw error("tensor \(PEFTFolder.nameOfA(module)) is missing, its lora_B is there") }
            guard position + 1 < tensors.count,
                tensors[position + 1].name.utf8.elementsEqual(PEFTFolder.nameOfB(module).utf8)
            else {
                let isTwice =
                    position + 1 < tensors.count
                    && tensors[position + 1].name.utf8.elementsEqual(tensors[position].name.utf8)
                throw error(
                    isTwice
                        ? "tensor \(tensors[position].name) is there twice"
                        : "tensor \(PEFTFolder.nameOfB(module)) is missing, its lora_A is there")
            }
            try checkShapes(of: module, a: tensors[position], b: tensors[position + 1])
            try checkIsTarget(module)
            modules.append(module)
            position += 2
            if config.useDoRA {
                try checkMagnitudes(
                    of: module, position < tensors.count ? tensors[position] : nil,
                    outputs: tensors[position - 1].rows)
                position += 1
            }
        }
        return modules
    }

    /// In the order of names, a module's magnitudes stand right behind its B.
    private func checkMagnitudes(of module: String, _ found: NamedTensor?, outputs: Int) throws {
        let name = PEFTFolder.nameOfMagnitude(module)
        guard let found, found.name.utf8.elementsEqual(name.utf8) else {
            throw error("tensor \(name) is missing, which an adapter with use_dora has")
        }
        guard found.rows == 1, found.columns == outputs else {
            throw error("tensor \(name) is \(found.shape), expected (\(outputs)), a magnitude for each row of lora_B")
        }
    }

    private func parts(of name: String) throws -> (module: String, isB: Bool) {
        let bytes = Array(name.utf8)
        for ending in Self.endings
        where bytes.starts(with: Self.prefix.utf8) && bytes.suffix(ending.utf8.count).elementsEqual(ending.utf8)
            && bytes.count > Self.prefix.utf8.count + ending.utf8.count
        {
            let module = bytes[Self.prefix.utf8.count..<bytes.count - ending.utf8.count]
            return (String(decoding: module, as: UTF8.self), ending == Self.endings[1])
        }
        if bytes.suffix(Adapter.nameOfMagnitude.utf8.count).elementsEqual(Adapter.nameOfMagnitude.utf8) {
            throw error(
                "tensor \(name) is one of DoRA's, and "
                    + (config.useDoRA ? "its lora_A and lora_B are missing" : "use_dora is not true"))
        }
        throw unsupported(name)
    }

    private func checkBiases(_ tensors: [NamedTensor], _ modules: Set<String>) throws {
        for (index, tensor) in tensors.enumerated() {
            guard tensor.name.hasPrefix(Self.prefix) else { throw unsupported(tensor.name) }
            let path = String(tensor.name.dropFirst(Self.prefix.count))
            let isOfAdapted = path.hasSuffix(Adapter.nameOfAdaptedBias)
            let module = String(
                path.dropLast((isOfAdapted ? Adapter.nameOfAdaptedBias : Adapter.nameOfBias).count))
            guard config.bias != .none, !module.isEmpty else { throw unsupported(tensor.name) }
            guard index == 0 || !tensor.name.utf8.elementsEqual(tensors[index - 1].name.utf8) else {
                throw error("tensor \(tensor.name) is there twice")
            }
            guard modules.contains(module) == isOfAdapted, isOfAdapted || config.bias == .all else {
                let others = config.bias == .all ? ", \(Self.prefix)MODULE\(Adapter.nameOfBias) for others" : ""
                throw error(
                    "tensor \(tensor.name) is a bias of a module that is \(modules.contains(module) ? "" : "not ")adapted; with "
                        + "bias \"\(config.bias.rawValue)\" expected is \(Self.prefix)MODULE\(Adapter.nameOfAdaptedBias) for "
                        + "those that are\(others)")
            }
        }
    }

    /// Every module of `modules_to_save` must be there, once.
    private func checkWhole(_ tensors: [NamedTensor]) throws {
        for module in AdapterConfig.WholeModule.allCases {
            let name = Self.prefix + module.path + ".weight"
            let found = tensors.filter { $0.name.utf8.elementsEqual(name.utf8) }
            if config.modulesToSave.contains(module) {
                guard let tensor = found.first else {
                    throw error("tensor \(name) is missing, modules_to_save names it")
                }
                guard found.count == 1 else { throw error("tensor \(name) is there twice") }
                guard tensor.rows > 0, tensor.columns > 0 else { throw error("tensor \(name) is empty") }
            } else if !found.isEmpty {
                throw error(
                    "holds \(name), which modules_to_save does not name (PEFT puts it there with save_embedding_layers=True): "
                        + "name it, or save the adapter without it")
            }
        }
    }

    private func unsupported(_ name: String) -> WeightFileError {
        error(
            "tensor \(name) is not supported: expected \(Self.prefix)MODULE\(Self.endings[0]) or"
                + " \(Self.prefix)MODULE\(Self.endings[1])"
                + (name.hasSuffix(Adapter.nameOfBias) ? "; biases are there with bias \"all\" or \"lora_only\"" : ""))
    }

    private func checkShapes(of module: String, a: NamedTensor, b: NamedTensor) throws {
        let rank = config.rank(of: module)
        guard a.rows == rank, a.columns > 0 else {
            throw error("tensor \(a.name) is (\(a.rows), \(a.columns)), expected (\(rank), inputs): r is \(rank)")
        }
        guard b.columns == rank, b.rows > 0 else {
            throw error("tensor \(b.name) is (\(b.rows), \(b.columns)), expected (outputs, \(rank)): r is \(rank)")
        }
    }

    /// Names that a regular expression selects are not checked: Python's expression need not be readable here.
    private func checkIsTarget(_ module: String) throws {
        switch config.targetModules {
        case .allLinear, .regex: return
        case .list(let suffixes):
            guard suffixes.contains(where: { TargetModules.isSuffix($0, of: module) }) else {
                throw error(
                    "holds \(module), which target_modules does not name; expected \(suffixes.joined(separator: ", "))")
            }
        }
    }
}

extension NamedTensor {
    /// What of an adapter a tensor is.
    fileprivate enum Part {
        case lowRank, bias, whole
    }

    fileprivate var part: Part {
        if isBias { return .bias }
        return AdapterConfig.WholeModule.allCases.contains { name == Adapter.peftPrefix + $0.path + ".weight" }
            ? .whole : .lowRank
    }
}
