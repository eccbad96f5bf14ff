/// A moment on the calendar, given to a template that prints the date with `strftime_now`, so that a rendering depends on
/// what it is given alone.
public struct TemplateDate: Sendable, Hashable {
    public let year: Int
    /// 1…12.
    public let month: Int
    /// 1…31.
    public let day: Int
    /// 0…23.
    public let hour: Int
    /// 0…59.
    public let minute: Int
    /// 0…59.
    public let second: Int

    /// A date of the Gregorian calendar, or nil if there is no such day or time.
    public init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        guard 1...9999 ~= year, 1...12 ~= month, 1...TemplateDate.days(in: month, of: year) ~= day else { return nil }
        guard 0...23 ~= hour, 0...59 ~= minute, 0...59 ~= second else { return nil }
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// A date written as `2024-07-26`, with or without a time as in `2024-07-26T12:30:00`; nil if it is none.
    public init?(parsing text: String) {
        let halves = text.split(whereSeparator: { $0 == "T" || $0 == " " })
        guard halves.count == 1 || halves.count == 2 else { return nil }
        func numbers(_ text: Substring, _ separator: Character, _ widths: [Int]) -> [Int]? {
            let parts = text.split(separator: separator, omittingEmptySubsequences: false)
            guard parts.map(\.count) == widths, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == separator) })
            else {
                return nil
            }
            return parts.compactMap { Int($0) }
        }
        guard let date = numbers(halves[0], "-", [4, 2, 2]), date.count == 3 else { return nil }
        var time = [0, 0, 0]
        if halves.count == 2 {
            guard let found = numbers(halves[1], ":", [2, 2, 2]), found.count == 3 else { return nil }
            time = found
        }
        self.init(year: date[0], month: date[1], day: date[2], hour: time[0], minute: time[1], second: time[2])
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && year % 100 != 0 || year % 400 == 0 }

    private static func days(in month: Int, of year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// 1…366.
    private var dayOfYear: Int { (1..<month).reduce(day) { $0 + TemplateDate.days(in: $1, of: year) } }

    /// 0 for Sunday … 6.
    private var weekday: Int {
        let before = year - 1
        return (before * 365 + before / 4 - before / 100 + before / 400 + dayOfYear) % 7
    }

    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// The date as C's `strftime` writes it in the C locale, `%-d` and the like (no padding) included.
    func formatted(_ format: String) throws -> String {
        var out = String.UnicodeScalarView()
        var scalars = format.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "%" else {
                out.append(scalar)
                continue
            }
            let isUnpadded = scalars.first == "-"
            if isUnpadded { scalars.removeFirst() }
            guard let code = scalars.popFirst() else { throw Fault("strftime_now: the format ends after '%'") }
            out.append(contentsOf: try field(code, isUnpadded: isUnpadded).unicodeScalars)
        }
        return String(out)
    }

    private func field(_ code: Unicode.Scalar, isUnpadded: Bool) throws -> String {
        func padded(_ number: Int, _ width: Int = 2, with fill: String = "0") -> String {
            let digits = String(number)
            return isUnpadded ? digits : String(repeating: fill, count: max(0, width - digits.count)) + digits
        }
        let hour12 = (hour + 11) % 12 + 1
        switch code {
        case "Y": return String(year)
        case "y": return padded(year % 100)
        case "C": return padded(year / 100)
        case "m": return padded(month)
        case "d": return padded(day)
        case "e": return padded(day, with: " ")
        case "j": return padded(dayOfYear, 3)
        case "H": return padded(hour)
        case "k": return padded(hour, with: " ")
        case "I": return padded(hour12)
        case "l": return padded(hour12, with: " ")
        case "M": return padded(minute)
        case "S": return padded(second)
        case "f": return "000000"
        case "p": return hour < 12 ? "AM" : "PM"
        case "P": return hour < 12 ? "am" : "pm"
        case "A": return TemplateDate.weekdays[weekday]
        case "a": return String(TemplateDate.weekdays[weekday].prefix(3))
        case "B": return TemplateDate.months[month - 1]
        case "b", "h": return String(TemplateDate.months[month - 1].prefix(3))
        case "u": return String(weekday == 0 ? 7 : weekday)
        case "w": return String(weekday)
        case "U": return padded((dayOfYear + 6 - weekday) / 7)
        case "W": return padded((dayOfYear + 6 - (weekday + 6) % 7) / 7)
        case "D", "x": return try formatted("%m/%d/%y")
        case "F": return try formatted("%Y-%m-%d")
        case "T", "X": return try formatted("%H:%M:%S")
        case "R": return try formatted("%H:%M")
        case "r": return try formatted("%I:%M:%S %p")
        case "c": return try formatted("%a %b %e %H:%M:%S %Y")
        case "Z", "z": return ""
        case "n": return "\n"
        case "t": return "\t"
        case "%": return "%"
        default: throw Fault("strftime_now: the code '%\(code)' is not supported")
        }
    }
}
