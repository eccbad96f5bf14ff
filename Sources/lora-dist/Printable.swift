/// Text that cannot steer a terminal: control characters, and those that change the direction of what follows or break
/// lines, are shown as escapes such as `\u{1B}`. Whatever comes from models and data goes through here on its way to a
/// person.
/// - Parameters:
///   - text: from anywhere.
///   - keepsLines: whether line ends and tabs stay, where a text of several lines is meant.
///   - limit: the most characters of it that are shown; what is left out is counted.
/// - Returns: the text with escapes in it.
func printable(_ text: String, keepsLines: Bool = false, limit: Int = .max) -> String {
    var result = ""
    var shown = 0
    for scalar in text.unicodeScalars {
        guard shown < limit else { return result + "… (\(text.unicodeScalars.count - limit) characters more)" }
        shown += 1
        switch scalar.value {
        case 0x0A, 0x09:
            if keepsLines { result.unicodeScalars.append(scalar) } else { result += scalar == "\n" ? "\\n" : "\\t" }
        case 0x0D: result += "\\r"
        case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
