/// Upper and lower case, as Python's `str` does it: full mappings, and ς for a Σ that ends a word.
extension Text {
    func uppercased() -> Text {
        mapScalars { scalars, i, out in out += Array(scalars[i].properties.uppercaseMapping.utf8) }
    }

    func lowercased() -> Text { mapScalars(Text.appendLower) }

    func swappingCase() -> Text {
        mapScalars { scalars, i, out in
            if scalars[i].properties.isUppercase {
                Text.appendLower(scalars, i, &out)
            } else {
                out += Array(scalars[i].properties.uppercaseMapping.utf8)
            }
        }
    }

    /// The first scalar in title case, the others in lower case.
    func capitalized() -> Text {
        mapScalars { scalars, i, out in
            if i == 0 { Text.appendTitle(scalars, i, &out) } else { Text.appendLower(scalars, i, &out) }
        }
    }

    /// The method `title`: a letter after anything but a letter is in title case.
    func titled() -> Text {
        mapScalars { scalars, i, out in
            if i > 0 && scalars[i - 1].properties.isCased {
                Text.appendLower(scalars, i, &out)
            } else {
                Text.appendTitle(scalars, i, &out)
            }
        }
    }

    /// The filter `title`: words begin at the start and after white space and `- ( { [ <`.
    func titledWords() -> Text {
        mapScalars { scalars, i, out in
            let isStart =
                i == 0 || Whitespace.contains(scalars[i - 1]) || "-({[<".unicodeScalars.contains(scalars[i - 1])
            if isStart {
                out += Array(scalars[i].properties.uppercaseMapping.utf8)
            } else {
                Text.appendLower(scalars, i, &out)
            }
        }
    }

    private static func appendTitle(_ scalars: [Unicode.Scalar], _ i: Int, _ out: inout [UInt8]) {
        out += Array(scalars[i].properties.titlecaseMapping.utf8)
    }

    private static func appendLower(_ scalars: [Unicode.Scalar], _ i: Int, _ out: inout [UInt8]) {
        if scalars[i] == "Σ", isFinal(scalars, i) {
            out += Array("ς".utf8)
        } else {
            out += Array(scalars[i].properties.lowercaseMapping.utf8)
        }
    }

    /// Whether a letter is before and none after, marks and the like aside.
    private static func isFinal(_ scalars: [Unicode.Scalar], _ i: Int) -> Bool {
        let before = scalars[..<i].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(i + 1)...].first { !$0.properties.isCaseIgnorable }
        return before?.properties.isCased == true && after?.properties.isCased != true
    }

    /// `isalpha`, `isdigit` and the like: not empty, and true of every scalar.
    func all(_ predicate: (Unicode.Scalar) -> Bool) -> Bool { !isEmpty && string.unicodeScalars.allSatisfy(predicate) }

    /// Whether there are cased letters, and all of them are as `predicate` says.
    func allCased(_ predicate: (Unicode.Scalar.Properties) -> Bool) -> Bool {
        let cased = string.unicodeScalars.filter {
            $0.properties.isUppercase || $0.properties.isLowercase || Text.isTitle($0)
        }
        return !cased.isEmpty && cased.allSatisfy { predicate($0.properties) }
    }

    static func isTitle(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .titlecaseLetter }

    static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    static func isDecimal(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType == .decimal }
    static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
    }
    static func isNumeric(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }
}
