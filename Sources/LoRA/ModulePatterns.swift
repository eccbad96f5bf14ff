/// Values for modules whose names match regular expressions, as PEFT's `rank_pattern` and `alpha_pattern` have them: a module takes
/// the value of the first expression that matches its whole name or what stands behind a point in it.
public struct ModulePatterns<Value: Sendable & Equatable>: Sendable, Equatable {
    /// Expressions and values, in the order in which they are tried.
    public let entries: [(pattern: String, value: Value)]

    /// - Throws: `UnreadablePattern` for an expression that cannot be read.
    public init(_ entries: [(pattern: String, value: Value)]) throws(UnreadablePattern) {
        for (pattern, _) in entries { _ = try Self.regex(pattern) }
        self.entries = entries
    }

    /// None.
    public init() { entries = [] }

    public var isEmpty: Bool { entries.isEmpty }

    /// The same expressions with other values.
    func mapValues(_ transform: (Value) -> Value) -> ModulePatterns {
        ModulePatterns(unchecked: entries.map { ($0.pattern, transform($0.value)) })
    }

    private init(unchecked entries: [(pattern: String, value: Value)]) { self.entries = entries }

    /// The value for a module, or nil.
    public subscript(module: String) -> Value? {
        entries.first { (try? Self.regex($0.pattern).wholeMatch(in: module)) != nil }?.value
    }

    /// The first expression that matches none of these modules.
    func firstUnused(by modules: [String]) -> String? {
        entries.first { entry in
            guard let regex = try? Self.regex(entry.pattern) else { return true }
            return !modules.contains { (try? regex.wholeMatch(in: $0)) != nil }
        }?.pattern
    }

    /// What matches a module's whole name where `pattern` matches all of it, or all that stands behind a point in it.
    private static func regex(_ pattern: String) throws(UnreadablePattern) -> Regex<AnyRegexOutput> {
        try regularExpression(pattern, as: "(?:.*\\.)?(?:\(pattern))")
    }

    public static func == (a: ModulePatterns, b: ModulePatterns) -> Bool {
        a.entries.elementsEqual(b.entries) { $0.pattern == $1.pattern && $0.value == $1.value }
    }
}

/// Which expression is none, and why.
public struct UnreadablePattern: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// Reads a regular expression of a setting.
/// - Parameters:
///   - pattern: as it is written there, named in errors.
///   - whole: what is read, if that is more.
/// - Returns: what matches as `whole` says.
/// - Throws: `UnreadablePattern`.
func regularExpression(
    _ pattern: String, as whole: String? = nil
) throws(UnreadablePattern) -> Regex<AnyRegexOutput> {
    do { return try Regex(whole ?? pattern) } catch {
        throw UnreadablePattern(description: "the regular expression \"\(pattern)\" cannot be read: \(error)")
    }
}
