import JSONText
import Training
import Yams

extension RunConfig {
    /// The config as YAML with every value, as `config.yaml` keeps it.
    /// - Throws: `YamlError` if a text cannot be written.
    func yaml() throws -> String {
        try Yams.serialize(node: node(tree), allowUnicode: true)
    }
}

/// A tree as YAML nodes; lists in one line.
private func node(_ value: JSON) -> Node {
    switch value {
    case .null: Node("null", Tag(.null), .plain)
    case .bool(let value): Node(String(value), Tag(.bool), .plain)
    case .integer(let value): Node(String(value), Tag(.int), .plain)
    case .number(let value): Node(yamlNumber(value), Tag(.float), .plain)
    case .string(let text): Node(text, Tag(.str), isPlain(text) ? .plain : .doubleQuoted)
    case .array(let elements): Node(elements.map(node), Tag(.seq), .flow)
    case .object(let object):
        Node(object.members.map { (Node($0.key, Tag(.str), .plain), node($0.value)) }, Tag(.map), .block)
    }
}

/// A number with a point in its digits, which readers of YAML 1.1 need to see a number in 1e-08.
private func yamlNumber(_ value: Double) -> String {
    let text = String(value)
    guard let exponent = text.firstIndex(of: "e"), !text[..<exponent].contains(".") else { return text }
    return text[..<exponent] + ".0" + text[exponent...]
}

/// Whether a text without quotes is read as the same text by YAML 1.1 and 1.2 alike.
private func isPlain(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first,
        first == "/" || first == "_" || ("a"..."z").contains(first)
            || ("A"..."Z").contains(first)
    else { return false }
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
    return !words.contains(text.lowercased())
        && text.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || "/_.-+@".utf8.contains($0)
        }
}
