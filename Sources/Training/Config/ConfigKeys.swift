import JSONText

/// Which keys a config may have, and what to answer to others.
enum ConfigKeys {
    /// The sections with their keys, in the order in which they are written.
    static let sections: [(name: String, keys: [String])] = [
        (ModelConfig.name, ModelConfig.keys), (LoRAConfig.name, LoRAConfig.keys), (DataConfig.name, DataConfig.keys),
        (TrainingConfig.name, TrainingConfig.keys), (OutputConfig.name, OutputConfig.keys),
    ]

    /// Refuses whatever is not a section of known keys.
    /// - Throws: `ConfigError` that names the key to use instead, where there is one.
    static func check(_ tree: JSON, origins: [String: String]) throws(ConfigError) {
        if tree.isNull { return }
        guard case .object(let root) = tree else {
            throw ConfigError(reason: "found \(shown(tree)), expected sections: \(sectionList)", origin: origins[""])
        }
        for (name, value) in root.members {
            guard let section = sections.first(where: { $0.name == name }) else {
                throw ConfigError(key: name, reason: unknown(section: name), origin: origins[name])
            }
            if value.isNull { continue }
            guard case .object(let members) = value else {
                throw ConfigError(
                    key: name, reason: "found \(shown(value)), expected keys and values, such as \(section.keys[0])",
                    origin: origins[name])
            }
            for (key, _) in members.members where !section.keys.contains(key) {
                let path = "\(name).\(key)"
                throw ConfigError(
                    key: path, reason: unknown(key: key, in: section.name, keys: section.keys), origin: origins[path])
            }
        }
    }

    private static var sectionList: String { listing(sections.map(\.name), "and") }

    private static func unknown(section name: String) -> String {
        if let place = home(of: name) { return "unknown section; the key is \(place)" }
        if let advice = ForeignKeys.advice[name] { return advice }
        if let near = nearest(to: name, among: sections.map(\.name)) { return "unknown section; did you mean \(near)?" }
        if let near = nearest(to: name, among: sections.flatMap(\.keys)), let place = home(of: near) {
            return "unknown section; did you mean \(place)?"
        }
        return "unknown section; sections are \(sectionList)"
    }

    private static func unknown(key: String, in section: String, keys: [String]) -> String {
        if let place = home(of: key) { return "unknown key; it belongs to another section: \(place)" }
        if let advice = ForeignKeys.advice[key] { return advice }
        if let near = nearest(to: key, among: keys) { return "unknown key; did you mean \(section).\(near)?" }
        if let near = nearest(to: key, among: sections.flatMap(\.keys)), let place = home(of: near) {
            return "unknown key; did you mean \(place)?"
        }
        return "unknown key; keys of \(section) are \(listing(keys, "and"))"
    }

    /// The full name of a key that some section has.
    private static func home(of key: String) -> String? {
        sections.first { $0.keys.contains(key) }.map { "\($0.name).\(key)" }
    }

    /// The word with the fewest letters to change, if these are at most a third of the longer word's, and one at least.
    static func nearest(to word: String, among words: [String]) -> String? {
        let distances = words.map { (word: $0, distance: editDistance(word, $0)) }
        guard let best = distances.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, max(word.utf8.count, best.word.utf8.count) / 3)
        else { return nil }
        return best.word
    }

    /// The letters to insert, remove, change or swap with their neighbour to make one word of the other (optimal string
    /// alignment).
    static func editDistance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8.prefix(64))
        let b = Array(b.utf8.prefix(64))
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i] + [Int](repeating: 0, count: b.count)
            for j in 1...b.count {
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], beforeLast[j - 2] + 1)
                }
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
