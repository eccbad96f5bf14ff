import JSONText
import WeightFiles

/// What an adapter is, as PEFT's `adapter_config.json` states it.
public struct AdapterConfig: Sendable, Equatable {
    /// The rank: rows of A, columns of B.
    public var r: Int
    public var loraAlpha: Double
    /// Probability in 0..<1 that an input of A is dropped in training.
    public var loraDropout: Double
    public var targetModules: TargetModules
    /// Scales by α/√r instead of α/r (https://arxiv.org/abs/2312.03732).
    public var useRSLoRA: Bool
    /// Trains a magnitude for each output as well (https://arxiv.org/abs/2402.09353).
    public var useDoRA = false
    /// Ranks and alphas of modules that differ from `r` and `loraAlpha`.
    public var rankPattern = ModulePatterns<Int>()
    public var alphaPattern = ModulePatterns<Double>()
    /// The layers that are adapted, by number; nil for all.
    public var layersToTransform: [Int]?
    /// Modules that are left out, as `.list` or `.regex`; nil for none.
    public var excludeModules: TargetModules?
    /// Which biases are trained.
    public var bias = Bias.none
    /// Modules that are trained and saved whole.
    public var modulesToSave: [WholeModule] = []
    /// How A and B begin.
    public var initLoRAWeights = InitLoRAWeights.standard
    /// The base model's name or path, for people and loaders; nil if unknown.
    public var baseModelName: String?

    public init(
        r: Int, loraAlpha: Double, loraDropout: Double = 0, targetModules: TargetModules = .allLinear,
        useRSLoRA: Bool = false, baseModelName: String? = nil
    ) {
        self.r = r
        self.loraAlpha = loraAlpha
        self.loraDropout = loraDropout
        self.targetModules = targetModules
        self.useRSLoRA = useRSLoRA
        self.baseModelName = baseModelName
    }

    /// What B·A·x is multiplied by before it is added: α/r, or α/√r.
    public var scaling: Double { scaling(alpha: loraAlpha, rank: r) }

    /// The rank of a module.
    public func rank(of module: String) -> Int { rankPattern[module] ?? r }

    /// What a module's B·A·x is multiplied by.
    public func scaling(of module: String) -> Double {
        scaling(alpha: alphaPattern[module] ?? loraAlpha, rank: rank(of: module))
    }

    private func scaling(alpha: Double, rank: Int) -> Double {
        alpha / (useRSLoRA ? Double(rank).squareRoot() : Double(rank))
    }

    /// The modules that get an adapter.
    /// - Parameter modules: names of the model's linear layers.
    /// - Returns: those that match, in the order given.
    /// - Throws: `ModuleSettingError` if there are none, an entry of a list matches nothing, or an expression cannot be read.
    public func select(from modules: [String]) throws(ModuleSettingError) -> [String] {
        var selected = try targetModules.select(from: modules)
        if let layersToTransform {
            guard case .list(let names) = targetModules else {
                throw ModuleSettingError(
                    key: Self.layersKey,
                    reason:
                        "goes with a list of target_modules only (so it is in PEFT); give one, such as [q_proj, v_proj]"
                )
            }
            // A module that is listed by its whole name is one whatever its layer.
            selected.removeAll { module in
                !names.contains(module) && !(Self.layer(of: module).map(layersToTransform.contains) ?? false)
            }
            guard !selected.isEmpty else {
                throw ModuleSettingError(
                    key: Self.layersKey,
                    reason: "none of target_modules is in a layer named; the model has layers 0 to "
                        + "\(Self.lastLayer(modules))")
            }
        }
        if let excludeModules, excludeModules != .allLinear {
            selected.removeAll(where: try excludeModules.matcher(key: Self.excludeKey))
            guard !selected.isEmpty else {
                throw ModuleSettingError(
                    key: Self.excludeKey, reason: "leaves none of the modules that target_modules names")
            }
        }
        return selected
    }

    /// Refuses what PEFT passes over in silence or with a warning since it says nothing about a model: a layer that there is not, an
    /// exclusion of nothing, a pattern of no module that is adapted.
    /// - Parameters:
    ///   - modules: names of the model's linear layers.
    ///   - adapted: those that get an adapter.
    /// - Throws: `ModuleSettingError` for the first setting that does not apply.
    public func checkThatAllApplies(to modules: [String], adapted: [String]) throws(ModuleSettingError) {
        let last = Self.lastLayer(modules)
        if let stranger = layersToTransform?.first(where: { $0 > last }) {
            throw ModuleSettingError(
                key: Self.layersKey, reason: "there is no layer \(stranger): the model has layers 0 to \(last)")
        }
        var excluded = excludeModules
        if case .list(let names) = excluded {
            // These two get no adapter anyway, and are often named.
            excluded = .list(names.filter { $0 != "lm_head" && $0 != "embed_tokens" })
        }
        try excluded?.checkThatAllMatches(modules, key: Self.excludeKey, example: "[down_proj]")
        let unused = [
            ("rank_pattern", rankPattern.firstUnused(by: adapted)),
            ("alpha_pattern", alphaPattern.firstUnused(by: adapted)),
        ]
        for case (let key, let pattern?) in unused {
            throw ModuleSettingError(
                key: key,
                reason:
                    "\"\(pattern)\" matches no module that is adapted; \(TargetModules.choices(adapted, of: "those"))")
        }
    }

    private static let layersKey = "layers_to_transform", excludeKey = "exclude_modules"

    /// The highest number of a layer in these names, or -1.
    private static func lastLayer(_ modules: [String]) -> Int { modules.compactMap(layer).max() ?? -1 }

    /// The number that follows the first two parts of a name: `model.layers.3.…` is of layer 3.
    private static func layer(of module: String) -> Int? {
        module.split(separator: ".").dropFirst(2).lazy.compactMap { Int($0) }.first
    }

    /// How A and B begin (PEFT's `init_lora_weights`).
    public enum InitLoRAWeights: Sendable, Equatable {
        /// A ~ U(±1/√inputs), which is kaiming_uniform with a = √5; B = 0.
        case standard
        /// Both as an untrained linear layer: A ~ U(±1/√inputs), B ~ U(±1/√r). The adapter changes the model from the start.
        case random
        /// A ~ N(0, 1/r²); B = 0.
        case gaussian
        /// From the principal singular values of W, whose product is taken off W (https://arxiv.org/abs/2404.02948): exactly, or by so
        /// many power iterations.
        case pissa(iterations: Int?)

        /// What PEFT calls a way that begins from the principal singular values: "pissa", or "pissa_niter_4".
        public init?(pissa name: String) {
            if name.utf8.elementsEqual("pissa".utf8) {
                self = .pissa(iterations: nil)
                return
            }
            let digits = name.utf8.dropFirst(Self.iteratedName.utf8.count)
            guard name.utf8.starts(with: Self.iteratedName.utf8), (1...4).contains(digits.count),
                let count = Int(String(decoding: digits, as: UTF8.self)), count >= 0
            else { return nil }
            self = .pissa(iterations: count)
        }

        /// What PEFT calls this way; nil for those that do not begin from the principal singular values.
        public var pissaName: String? {
            guard case .pissa(let iterations) = self else { return nil }
            return iterations.map { "\(Self.iteratedName)\($0)" } ?? "pissa"
        }

        var isPiSSA: Bool { pissaName != nil }

        private static let iteratedName = "pissa_niter_"
    }
}

extension AdapterConfig {
    /// Reads the text of an `adapter_config.json`, written by any version of PEFT or by `json`. Missing keys have PEFT's
    /// defaults. A key that is not known here is accepted as long as it is off (null, false, empty).
    /// - Parameters:
    ///   - text: UTF-8.
    ///   - file: named in errors.
    /// - Throws: `WeightFileError` naming the key for malformed JSON, a value of the wrong kind or range, and every feature of
    ///   PEFT that would change the result and is not supported here.
    public init(json text: [UInt8], file: String) throws {
        let value: JSON
        do { value = try JSON(parsing: text) } catch {
            throw WeightFileError(file: file, reason: "is not valid JSON (\(error))")
        }
        guard case .object(let object) = value else {
            throw WeightFileError(file: file, reason: "is \(value.kind), an object was expected")
        }
        try self.init(object, reader: AdapterConfigReader(file: file, object: object))
    }

    private init(_ object: JSONObject, reader: AdapterConfigReader) throws {
        try reader.refuseUnsupported()
        r = try reader.value("r", default: 8, \.int, "a whole number ≥ 1") { $0 >= 1 }
        loraAlpha = try reader.value("lora_alpha", default: 8, \.double, "a number") { $0.isFinite }
        loraDropout = try reader.value("lora_dropout", default: 0, \.double, "a number in 0..<1") {
            (0..<1).contains($0)
        }
        useRSLoRA = try reader.value("use_rslora", default: false, \.bool, "true or false") { _ in true }
        useDoRA = try reader.value("use_dora", default: false, \.bool, "true or false") { _ in true }
        baseModelName = try reader.optionalString("base_model_name_or_path")
        targetModules = try reader.targetModules()
        rankPattern = try reader.patterns("rank_pattern", \.int, "a whole number ≥ 1") { $0 >= 1 }
        alphaPattern = try reader.patterns("alpha_pattern", \.double, "a number") { $0.isFinite }
        layersToTransform = try reader.layers()
        excludeModules = try reader.excludedModules()
        bias = try reader.bias()
        modulesToSave = try reader.modulesToSave()
        initLoRAWeights = reader.initLoRAWeights
    }

    /// The text of `adapter_config.json` as PEFT lays it out (keys sorted, indented by two). Its keys are those that PEFT has
    /// had from its first releases on, so that old releases read it too; `use_rslora` and `use_dora` are there only when on.
    /// `target_modules` is a sorted list of names, whatever `targetModules` is: for `allLinear` the last parts of the names of
    /// `modules`, for a regular expression their names, because not every reader has PEFT's meanings for strings.
    /// - Parameter modules: the modules that the adapter has.
    /// - Returns: JSON without a newline at its end, as PEFT's file has none.
    public func json(modules: [String]) -> String {
        let names: [String] =
            switch targetModules {
            case .allLinear: modules.map { String($0.split(separator: ".").last ?? "") }
            case .list(let names): names
            case .regex: modules
            }
        let whole = Int64(exactly: loraAlpha)
        var members: [(key: String, value: JSON)] = [
            ("base_model_name_or_path", baseModelName.map(JSON.string) ?? .null), ("bias", .string(bias.rawValue)),
            ("fan_in_fan_out", .bool(false)), ("inference_mode", .bool(true)),
            ("init_lora_weights", initLoRAWeights.json),
            ("layers_pattern", .null),
            ("layers_to_transform", layersToTransform.map { .array($0.map { .integer(Int64($0)) }) } ?? .null),
            ("lora_alpha", whole.map(JSON.integer) ?? .number(loraAlpha)), ("lora_dropout", .number(loraDropout)),
            (
                "modules_to_save",
                modulesToSave.isEmpty ? .null : .array(modulesToSave.map { .string($0.rawValue) })
            ), ("peft_type", .string("LORA")), ("r", .integer(Int64(r))), ("revision", .null),
            ("target_modules", .array(sortedOnce(names).map(JSON.string))), ("task_type", .string("CAUSAL_LM")),
        ]
        if useRSLoRA { members.append(("use_rslora", .bool(true))) }
        if useDoRA { members.append(("use_dora", .bool(true))) }
        if !rankPattern.isEmpty {
            let pairs = rankPattern.entries.map { (key: $0.pattern, value: JSON.integer(Int64($0.value))) }
            members.append(("rank_pattern", .object(JSONObject(pairs))))
        }
        if !alphaPattern.isEmpty {
            let pairs = alphaPattern.entries.map { (key: $0.pattern, value: JSON.number($0.value)) }
            members.append(("alpha_pattern", .object(JSONObject(pairs))))
        }
        switch excludeModules {
        case .list(let names): members.append(("exclude_modules", .array(sortedOnce(names).map(JSON.string))))
        case .regex(let pattern): members.append(("exclude_modules", .string(pattern)))
        case .allLinear, nil: break
        }
        members.sort { $0.key < $1.key }
        return JSON.object(JSONObject(members)).text(indent: 2, escapeNonASCII: true)
    }
}

extension AdapterConfig.InitLoRAWeights {
    /// As PEFT writes it.
    fileprivate var json: JSON {
        switch self {
        case .standard: .bool(true)
        case .random: .bool(false)
        case .gaussian: .string("gaussian")
        case .pissa: .string(pissaName!)
        }
    }
}

/// The names in the order of their bytes, each once.
private func sortedOnce(_ names: [String]) -> [String] {
    var result: [String] = []
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    where result.last.map({ !$0.utf8.elementsEqual(name.utf8) }) ?? true {
        result.append(name)
    }
    return result
}
