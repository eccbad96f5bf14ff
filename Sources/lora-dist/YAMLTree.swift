import JSONText
import Training
import Yams

/// A config as a tree, with the place where each key was given.
struct ConfigTree {
    var tree = JSON.object(JSONObject())
    /// Key (`training.learning_rate`) → place (`configs/quickstart.yaml:12`).
    var origins: [String: String] = [:]

    /// Most values that a config may have once aliases are written out.
    private static let mostValues = 10_000

    init() {}

    /// Reads YAML: maps, lists and scalars by the core schema of YAML 1.2, in which yes and 012 are no booleans and
    /// octals, and 2e-4 is a number.
    /// - Parameters:
    ///   - yaml: the text of one document.
    ///   - file: its name, for messages.
    /// - Throws: `ConfigError` for what is not such YAML.
    init(yaml: String, file: String) throws {
        guard let root = try composed(yaml, file: file) else { return }
        var count = 0
        tree = try value(root, path: "", file: file, count: &count)
        if let line = root.mark?.line { origins[""] = "\(file):\(line)" }
    }

    /// The value of a scalar, list or map as given on the command line.
    /// - Throws: `ConfigError` for what is not YAML.
    static func value(_ yaml: String, origin: String) throws -> JSON {
        var reader = ConfigTree()
        do {
            guard let root = try composed(yaml, file: origin) else { return .null }
            var count = 0
            return try reader.value(root, path: "", file: origin, count: &count)
        } catch let error as ConfigError {
            throw ConfigError(key: error.key, reason: error.reason, origin: origin)
        }
    }

    /// Puts a value in the place of another, or adds it.
    /// - Parameters:
    ///   - keys: the way to it: section, key, …
    ///   - value: what stands there from now on.
    ///   - origin: where the value was given.
    mutating func set(_ keys: [String], to value: JSON, origin: String) {
        tree = Self.setting(value, at: keys[...], in: tree)
        origins[keys.joined(separator: ".")] = origin
    }

    private static func setting(_ value: JSON, at keys: ArraySlice<String>, in tree: JSON) -> JSON {
        guard let key = keys.first else { return value }
        var members = tree.object?.members ?? []
        let below = setting(value, at: keys.dropFirst(), in: tree[key] ?? .null)
        if let position = members.firstIndex(where: { $0.key == key }) {
            members[position].value = below
        } else {
            members.append((key, below))
        }
        return .object(JSONObject(members))
    }

    private mutating func value(_ node: Node, path: String, file: String, count: inout Int) throws -> JSON {
        count += 1
        guard count <= Self.mostValues else {
            throw ConfigError(reason: "more than \(Self.mostValues) values", origin: file)
        }
        switch node {
        case .scalar(let scalar): return try plainValue(scalar, file: file)
        case .sequence(let sequence):
            return .array(try sequence.map { try value($0, path: path, file: file, count: &count) })
        case .mapping(let mapping):
            var members: [(key: String, value: JSON)] = []
            for (key, element) in mapping {
                guard case .scalar(let scalar) = key else {
                    throw ConfigError(
                        key: path, reason: "a key is a list or a map, expected a word", origin: place(key, file))
                }
                let keyPath = path.isEmpty ? scalar.string : "\(path).\(scalar.string)"
                origins[keyPath] = place(key, file)
                members.append((scalar.string, try value(element, path: keyPath, file: file, count: &count)))
            }
            return .object(JSONObject(members))
        case .alias:
            throw ConfigError(key: path, reason: "an alias without its anchor", origin: place(node, file))
        }
    }

    private func place(_ node: Node, _ file: String) -> String { node.mark.map { "\(file):\($0.line)" } ?? file }
}

/// The tree of nodes of a YAML text; nil if there is nothing in it.
/// - Throws: `ConfigError` with the line of what is not YAML.
private func composed(_ yaml: String, file: String) throws -> Node? {
    func failure(_ problem: String, _ mark: Mark? = nil) -> ConfigError {
        ConfigError(reason: "not YAML: \(problem)", origin: mark.map { "\(file):\($0.line)" } ?? file)
    }
    do {
        return try Yams.compose(yaml: yaml)
    } catch let error as YamlError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            throw failure(problem, mark)
        case .duplicatedKeysInMapping(let keys, let context):
            throw ConfigError(
                key: keys.joined(separator: ", "), reason: "given more than once",
                origin: "\(file):\(context.mark.line)")
        case .reader(let problem, _, _, _): throw failure(problem)
        default: throw failure("\(error)")
        }
    }
}

/// The value of a scalar: what stands in quotes is text, else the core schema of YAML 1.2 decides.
private func plainValue(_ scalar: Node.Scalar, file: String) throws -> JSON {
    let tag = scalar.tag.description
    guard tag.isEmpty || tag == "!" || tag == Tag.Name.str.rawValue else {
        throw ConfigError(reason: "the tag \(tag) is not supported", origin: file)
    }
    guard tag.isEmpty, scalar.style == .plain else { return .string(scalar.string) }
    return coreSchemaValue(scalar.string)
}

/// The value of a plain scalar by the core schema of YAML 1.2 (section 10.3.2).
func coreSchemaValue(_ text: String) -> JSON {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .number(.infinity)
    case "-.inf", "-.Inf", "-.INF": return .number(-.infinity)
    case ".nan", ".NaN", ".NAN": return .number(.nan)
    default: break
    }
    let digits = text.utf8.drop { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
    guard text.utf8.count - digits.count <= 1, let first = digits.first,
        (0x30...0x39).contains(first) || first == UInt8(ascii: "."),
        digits.allSatisfy({ (0x30...0x39).contains($0) || ".eE+-".utf8.contains($0) })
    else { return .string(text) }
    if let value = Int64(text) { return .integer(value) }
    if let value = Double(text) { return .number(value) }
    return .string(text)
}
