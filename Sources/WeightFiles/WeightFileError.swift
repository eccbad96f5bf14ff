/// What is wrong with a file of weights (or with writing one), and in which file.
public struct WeightFileError: Error, CustomStringConvertible, Sendable {
    /// The path as it was given.
    public let file: String
    /// What was found, what was expected and, where it helps, what to do.
    public let reason: String

    /// An error about `file`.
    public init(file: String, reason: String) {
        self.file = file
        self.reason = reason
    }

    /// "FILE: reason" on one line: control characters, which a broken file's names may hold, are written as <U+000A>.
    public var description: String {
        var text = ""
        for scalar in "\(file): \(reason)".unicodeScalars {
            if scalar.properties.generalCategory == .control {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                text += "<U+" + String(repeating: "0", count: 4 - digits.count) + digits + ">"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

/// A name that compares by its bytes: tensor names and metadata keys that Unicode calls equal are different names.
struct ByteName: Hashable, Sendable {
    let text: String
    init(_ text: String) { self.text = text }

    static func == (a: ByteName, b: ByteName) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
