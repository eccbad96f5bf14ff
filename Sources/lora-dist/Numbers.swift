import Foundation

/// A number with so many digits after its point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// A number in powers of ten with three digits.
func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

/// A whole number with a comma between thousands.
func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var end = digits.count - 3
    while end > 0 {
        digits.insert(",", at: digits.index(digits.startIndex, offsetBy: end))
        end -= 3
    }
    return value < 0 ? "-" + digits : digits
}

/// Hours, minutes and seconds.
func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "-:--:--" }
    let whole = Int(seconds.rounded())
    return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
}

/// Bytes with a unit.
func bytes(_ count: Int) -> String {
    switch count {
    case ..<1024: "\(count) B"
    case ..<(1 << 20): fixed(Double(count) / 1024, 1) + " KiB"
    case ..<(1 << 30): fixed(Double(count) / 1_048_576, 1) + " MiB"
    default: fixed(Double(count) / 1_073_741_824, 2) + " GiB"
    }
}
