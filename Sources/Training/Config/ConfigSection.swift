import JSONText

/// A part of the config whose keys are listed with their types and ranges. Defaults are the initial values of its
/// properties and stand nowhere else.
protocol ConfigSection: Sendable {
    /// The section's own key.
    static var name: String { get }
    static var fields: [ConfigField<Self>] { get }
    init()
}

extension ConfigSection {
    static var keys: [String] { fields.map(\.key) }

    /// Reads the section of a tree whose keys have been checked; what is not given keeps its default.
    /// - Throws: `ConfigError` for a value of another type or out of range.
    init(in tree: JSON, origins: [String: String]) throws(ConfigError) {
        self.init()
        for field in Self.fields {
            guard let value = tree[Self.name]?[field.key] else { continue }
            let path = "\(Self.name).\(field.key)"
            guard field.read(value, &self) else {
                throw ConfigError(
                    key: path, reason: "found \(shown(value)), expected \(field.expected)", origin: origins[path])
            }
        }
    }

    /// The section with every value, defaults as well.
    func tree(leavingOut omitted: [String] = []) -> JSON {
        .object(
            JSONObject(
                Self.fields.compactMap { field in
                    guard !omitted.contains(field.key) else { return nil }
                    return field.write(self).map { (key: field.key, value: $0) }
                }))
    }
}

/// A value as messages show it.
func shown(_ value: JSON) -> String {
    switch value {
    case .null: return "nothing"
    case .bool(let value): return String(value)
    case .integer(let value): return String(value)
    case .number(let value): return String(value)
    case .string(let text): return text.count > 60 ? "\"\(text.prefix(60))…\"" : "\"\(text)\""
    case .array(let elements):
        let parts = elements.prefix(4).map(shown)
        return "[" + (elements.count > 4 ? parts + ["…"] : parts).joined(separator: ", ") + "]"
    case .object(let object):
        let parts = object.members.prefix(4).map { "\($0.key): \(shown($0.value))" }
        return "{" + (object.count > 4 ? parts + ["…"] : parts).joined(separator: ", ") + "}"
    }
}
