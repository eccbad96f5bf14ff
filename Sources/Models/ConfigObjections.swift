import JSONText
import WeightFiles

extension DecoderConfig {
    /// All that keeps a `config.json` from being one of a supported model: each field that is missing, of the wrong kind or not
    /// supported. Empty if nothing does.
    /// - Parameter path: the file.
    /// - Returns: a text for each.
    /// - Throws: `ModelError` if it is no JSON object; `WeightFileError` if it cannot be read.
    static func objections(configFile path: String) throws -> [String] {
        let json: JSON
        do { json = try JSON(parsing: try SmallFile.bytes(path)) } catch let error as JSONError {
            throw ModelError("\(path): \(error)")
        }
        guard case .object = json else { throw ModelError("\(path): is \(json.kind), an object was expected") }
        let reader = ConfigReader(path: path, json: json)
        var found: [String] = []
        func note(_ check: () throws -> Void) {
            do { try check() } catch {
                let text = "\(error)"
                found.append(text.hasPrefix("\(path): ") ? String(text.dropFirst(path.count + 2)) : text)
            }
        }
        for check in architectureChecks { note { try check(reader) } }
        for key in [
            "hidden_size", "num_attention_heads", "vocab_size", "intermediate_size", "num_hidden_layers",
        ] { note { _ = try reader.int(key) } }
        if found.isEmpty { note { _ = try DecoderConfig(configFile: path) } }
        return found
    }
}
