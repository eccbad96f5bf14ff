import JSONText

/// A property that a field reads and writes.
typealias SendablePath<Section, Value> = any WritableKeyPath<Section, Value> & Sendable

/// One key of a config section: how its value is read from a tree, with what is expected of it, and written back.
struct ConfigField<Section>: Sendable {
    let key: String
    /// What a value must be, for messages: "a number above 0".
    let expected: String
    /// Puts the tree's value into the section.
    /// - Returns: false if the value is not what is expected.
    let read: @Sendable (JSON, inout Section) -> Bool
    /// The section's value as a tree; nil if there is none to write.
    let write: @Sendable (Section) -> JSON?

    /// A field of any type.
    /// - Parameters:
    ///   - key: the key within its section.
    ///   - path: the property.
    ///   - expected: what a value must be.
    ///   - decode: the value of a tree; nil if the tree is not what is expected.
    ///   - encode: the tree of a value; nil to leave the key out.
    init<Value>(
        _ key: String, _ path: SendablePath<Section, Value>, expected: String,
        decode: @escaping @Sendable (JSON) -> Value?, encode: @escaping @Sendable (Value) -> JSON?
    ) {
        self.key = key
        self.expected = expected
        read = { tree, section in
            guard let value = decode(tree) else { return false }
            section[keyPath: path] = value
            return true
        }
        write = { encode($0[keyPath: path]) }
    }

    /// A whole number of at least `minimum`.
    static func integer(
        _ key: String, _ path: SendablePath<Section, Int>, atLeast minimum: Int = 1,
        atMost maximum: Int = Int(Int32.max)
    ) -> ConfigField {
        ConfigField(
            key, path, expected: wholeNumber(minimum, maximum),
            decode: { Self.integer($0, atLeast: minimum, atMost: maximum) }, encode: { .integer(Int64($0)) })
    }

    /// A whole number of at least `minimum`, or nothing.
    static func integer(
        _ key: String, _ path: SendablePath<Section, Int?>, atLeast minimum: Int = 1,
        atMost maximum: Int = Int(Int32.max)
    ) -> ConfigField {
        ConfigField(
            key, path, expected: wholeNumber(minimum, maximum),
            decode: {
                $0.isNull ? .some(nil) : Self.integer($0, atLeast: minimum, atMost: maximum).map { .some($0) }
            },
            encode: { $0.map { .integer(Int64($0)) } })
    }

    /// A number within bounds.
    static func number(_ key: String, _ path: SendablePath<Section, Double>, _ bounds: Bounds)
        -> ConfigField
    {
        ConfigField(
            key, path, expected: bounds.description, decode: { $0.double.flatMap { bounds.contains($0) ? $0 : nil } },
            encode: { .number($0) })
    }

    /// A number within bounds, or nothing.
    static func number(_ key: String, _ path: SendablePath<Section, Double?>, _ bounds: Bounds)
        -> ConfigField
    {
        ConfigField(
            key, path, expected: bounds.description,
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let value = tree.double, bounds.contains(value) else { return nil }
                return .some(value)
            },
            encode: { $0.map { .number($0) } })
    }

    /// true or false.
    static func flag(_ key: String, _ path: SendablePath<Section, Bool>) -> ConfigField {
        ConfigField(key, path, expected: "true or false", decode: { $0.bool }, encode: { .bool($0) })
    }

    /// One of the words of an enumeration.
    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: SendablePath<Section, Value>
    ) -> ConfigField {
        ConfigField(
            key, path, expected: listing(Value.allCases.map(\.rawValue), "or"),
            decode: { tree in Value.allCases.first { $0.rawValue == tree.string } }, encode: { .string($0.rawValue) })
    }

    /// One of the words of an enumeration, or nothing.
    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: SendablePath<Section, Value?>
    ) -> ConfigField {
        ConfigField(
            key, path, expected: listing(Value.allCases.map(\.rawValue), "or"),
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let value = Value.allCases.first(where: { $0.rawValue == tree.string }) else { return nil }
                return .some(value)
            },
            encode: { $0.map { .string($0.rawValue) } })
    }

    /// A text that is not empty, or nothing.
    static func text(_ key: String, _ path: SendablePath<Section, String?>, expected: String)
        -> ConfigField
    {
        ConfigField(
            key, path, expected: expected,
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let text = tree.string, !text.isEmpty else { return nil }
                return .some(text)
            },
            encode: { $0.map { .string($0) } })
    }

    /// The path of a file or folder, or nothing; `~` becomes the home folder.
    static func path(_ key: String, _ path: SendablePath<Section, String?>, expected: String)
        -> ConfigField
    {
        ConfigField(
            key, path, expected: expected,
            decode: { tree in
                if tree.isNull { return .some(nil) }
                guard let text = tree.string, !text.isEmpty else { return nil }
                return .some(expandingHome(text))
            },
            encode: { $0.map { .string($0) } })
    }

    /// The paths of one or several files; `~` becomes the home folder.
    static func paths(_ key: String, _ path: SendablePath<Section, [String]>, expected: String)
        -> ConfigField
    {
        ConfigField(
            key, path, expected: expected,
            decode: { tree in
                let texts = tree.isNull ? [] : tree.array?.map(\.string) ?? [tree.string]
                guard texts.allSatisfy({ $0 != nil && $0 != "" }) else { return nil }
                return texts.map { expandingHome($0!) }
            },
            encode: { paths in
                switch paths.count {
                case 0: nil
                case 1: .string(paths[0])
                default: .array(paths.map { .string($0) })
                }
            })
    }

    private static func integer(_ tree: JSON, atLeast minimum: Int, atMost maximum: Int) -> Int? {
        guard let value = tree.int, value >= minimum, value <= maximum else { return nil }
        return value
    }

    private static func wholeNumber(_ minimum: Int, _ maximum: Int) -> String {
        maximum == Int(Int32.max)
            ? "a whole number of at least \(minimum)" : "a whole number from \(minimum) to \(maximum)"
    }
}

/// The numbers that a field allows.
enum Bounds: Sendable, CustomStringConvertible {
    case above(Double)
    case atLeast(Double)
    case share
    case between(Double, Double)

    func contains(_ value: Double) -> Bool {
        switch self {
        case .above(let limit): value.isFinite && value > limit
        case .atLeast(let limit): value.isFinite && value >= limit
        case .share: value >= 0 && value < 1
        case .between(let low, let high): value > low && value < high
        }
    }

    var description: String {
        switch self {
        case .above(let limit): "a number above \(plain(limit))"
        case .atLeast(let limit): "a number of at least \(plain(limit))"
        case .share: "a number of at least 0 and below 1"
        case .between(let low, let high): "a number above \(plain(low)) and below \(plain(high))"
        }
    }
}

/// Words as a person lists them: "a, b or c".
func listing(_ words: [String], _ last: String) -> String {
    guard words.count > 1 else { return words.joined() }
    return words.dropLast().joined(separator: ", ") + " \(last) " + words[words.count - 1]
}

/// A number without the ".0" of whole ones.
func plain(_ value: Double) -> String {
    let text = String(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
