/// Which linear layers get an adapter, with the meanings PEFT gives to `target_modules`.
public enum TargetModules: Sendable, Equatable {
    /// Every linear layer of the decoder layers; never the head (`lm_head`).
    case allLinear
    /// Names or last parts of names: "q_proj" is every layer's, "layers.0.self_attn.q_proj" one.
    case list([String])
    /// A regular expression that must match a module's whole name, as Python's `re.fullmatch`. The expression is read by
    /// Swift: what Swift and Python share works (groups, classes, `\d`, alternatives, lazy and counted repeats, look-ahead,
    /// `(?P<name>…)`, `(?i)`); Python's `\Z`, conditionals `(?(1)…)` and `(?a)`, `(?L)`, `(?u)` do not.
    case regex(String)

    /// What a string means in `target_modules`: "all-linear" in any case, anything else is a regular expression.
    public init(_ text: String) {
        self = text.lowercased().utf8.elementsEqual("all-linear".utf8) ? .allLinear : .regex(text)
    }

    /// The modules that get an adapter.
    /// - Parameter modules: names of the model's linear layers, such as "model.layers.0.self_attn.q_proj".
    /// - Returns: those that match, in the order given.
    /// - Throws: `ModuleSettingError` if nothing matches, an entry of a list matches nothing, or the regular expression
    ///   cannot be read.
    public func select(from modules: [String]) throws(ModuleSettingError) -> [String] {
        if case .list(let names) = self, names.isEmpty {
            throw ModuleSettingError(key: Self.key, reason: "is an empty list; \(Self.choices(modules))")
        }
        try checkThatAllMatches(modules, key: Self.key, example: "[q_proj, v_proj]")
        let selected = modules.filter(try matcher(key: Self.key))
        guard !selected.isEmpty else {
            throw ModuleSettingError(
                key: Self.key, reason: "all-linear finds no linear layer but the head; \(Self.choices(modules))")
        }
        return selected
    }

    /// Refuses a name, or an expression, that matches no module.
    /// - Parameters:
    ///   - modules: names of the model's linear layers.
    ///   - key: of the setting, for errors.
    ///   - example: a list that this setting may be.
    /// - Throws: `ModuleSettingError`, also for an expression that cannot be read.
    func checkThatAllMatches(
        _ modules: [String], key: String, example: String
    ) throws(ModuleSettingError) {
        switch self {
        case .allLinear: break
        case .list(let names):
            for name in names where !modules.contains(where: { Self.isSuffix(name, of: $0) }) {
                throw ModuleSettingError(
                    key: key, reason: "\"\(name)\" matches no linear layer; \(Self.choices(modules))")
            }
        case .regex(let pattern):
            if !modules.contains(where: try matcher(key: key)) {
                throw ModuleSettingError(
                    key: key,
                    reason: "the regular expression \"\(pattern)\" matches no linear layer's whole name"
                        + " (for names or last parts of names write a list: \(example)); \(Self.choices(modules))")
            }
        }
    }

    /// What tells whether a module's name is one of these; `key` is that of the setting, for errors.
    /// - Throws: `ModuleSettingError` for an expression that cannot be read.
    func matcher(key: String) throws(ModuleSettingError) -> (String) -> Bool {
        switch self {
        case .allLinear: return { !Self.isSuffix("lm_head", of: $0) }
        case .list(let suffixes): return { module in suffixes.contains { Self.isSuffix($0, of: module) } }
        case .regex(let pattern):
            do throws(UnreadablePattern) {
                let regex = try regularExpression(pattern)
                return { (try? regex.wholeMatch(in: $0)) != nil }
            } catch { throw ModuleSettingError(key: key, reason: error.description) }
        }
    }

    /// True if `module` is `suffix` or ends with "." and `suffix`, by bytes.
    static func isSuffix(_ suffix: String, of module: String) -> Bool {
        let (name, end) = (Array(module.utf8), Array(suffix.utf8))
        guard name.count > end.count else { return name == end }
        return name.suffix(end.count).elementsEqual(end) && name[name.count - end.count - 1] == UInt8(ascii: ".")
    }

    private static let key = "target_modules"

    /// "the model's are q_proj, k_proj, … (in full: model.layers.0.self_attn.q_proj)"; `subject` is what stands for "the model's".
    static func choices(_ modules: [String], of subject: String = "the model's") -> String {
        guard let first = modules.first else { return "the model has none" }
        var leaves: [String] = []
        for module in modules {
            let leaf = String(module.utf8.split(separator: UInt8(ascii: ".")).last.map(Substring.init) ?? "")
            if !leaves.contains(leaf) { leaves.append(leaf) }
        }
        return "\(subject) are \(leaves.joined(separator: ", ")) (in full: \(first))"
    }
}

/// Why what says which modules are adapted, and how, cannot be used with a model.
public struct ModuleSettingError: Error, CustomStringConvertible, Sendable {
    /// The setting, as PEFT calls it: "target_modules", "exclude_modules", "layers_to_transform", "rank_pattern", "alpha_pattern".
    public let key: String
    /// What is wrong with it, and what there is to choose from.
    public let reason: String
    public var description: String { "\(key): \(reason)" }
}
