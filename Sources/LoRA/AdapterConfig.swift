import JSONText
import WeightFiles

/// What an adapter is, as PEFT's `adapter_config.json` states it. Only `bias: none` and rank and alpha that are the same for
/// all modules are supported.
public struct AdapterConfig: Sendable, Equatable {
    /// The rank: rows of A, columns of B.
    public var r: Int
    public var loraAlpha: Double
    /// Probability in 0..<1 that an input of A is dropped in training.
    public var loraDropout: Double
    public var targetModules: TargetModules
    /// Scales by α/√r instead of α/r (https://arxiv.org/abs/2312.03732).
    public var useRSLoRA: Bool
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
    public var scaling: Double { loraAlpha / (useRSLoRA ? Double(r).squareRoot() : Double(r)) }
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
        baseModelName = try reader.optionalString("base_model_name_or_path")
        targetModules = try reader.targetModules()
    }

    /// The text of `adapter_config.json` as PEFT lays it out (keys sorted, indented by two). Its keys are those that PEFT has
    /// had from its first releases on, so that old releases read it too; `use_rslora` is there only when it is on.
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
            ("base_model_name_or_path", baseModelName.map(JSON.string) ?? .null), ("bias", .string("none")),
            ("fan_in_fan_out", .bool(false)), ("inference_mode", .bool(true)), ("init_lora_weights", .bool(true)),
            ("layers_pattern", .null), ("layers_to_transform", .null),
            ("lora_alpha", whole.map(JSON.integer) ?? .number(loraAlpha)), ("lora_dropout", .number(loraDropout)),
            ("modules_to_save", .null), ("peft_type", .string("LORA")), ("r", .integer(Int64(r))), ("revision", .null),
            ("target_modules", .array(sortedOnce(names).map(JSON.string))), ("task_type", .string("CAUSAL_LM")),
        ]
        if useRSLoRA { members.append(("use_rslora", .bool(true))) }
        return JSON.object(JSONObject(members)).text(indent: 2, escapeNonASCII: true)
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
