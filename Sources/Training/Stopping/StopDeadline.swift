public import Foundation

/// The moment by which a run must have ended, with its last checkpoint.
public struct StopDeadline: Sendable, Equatable {
    public let moment: Date

    /// - Parameter moment: when the run must have ended.
    public init(_ moment: Date) { self.moment = moment }

    /// So long after `now`: numbers with d, h, m or s, such as `2h30m`.
    public init?(after text: String, now: Date = .now) {
        let units: [Character: Double] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
        var seconds = 0.0
        var digits = ""
        var last = Double.infinity
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else if let unit = units[character], unit < last, let number = Double(digits) {
                seconds += number * unit
                last = unit
                digits = ""
            } else {
                return nil
            }
        }
        guard digits.isEmpty, last.isFinite, seconds > 0, seconds < 1e9 else { return nil }
        moment = now.addingTimeInterval(seconds)
    }

    /// At a time of this host: `2026-11-24T18:00`, with seconds and zone if wished, or `18:00`, the next such time of day.
    public init?(at text: String, now: Date = .now) {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.isLenient = false
        for format in [
            "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mmXXXXX", "yyyy-MM-dd'T'HH:mm:ssXXXXX",
        ] {
            formatter.dateFormat = format
            if let date = formatter.date(from: text) {
                moment = date
                return
            }
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0.isASCII && $0.isNumber } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60,
            let date = Calendar.current.nextDate(
                after: now, matching: DateComponents(hour: hour, minute: minute), matchingPolicy: .nextTime)
        else { return nil }
        moment = date
    }

    /// Whether another step, and then the save, would take longer than is left.
    /// - Parameters:
    ///   - step: seconds of the longest step so far, evaluations as well.
    ///   - save: seconds of the longest save so far.
    ///   - now: the time.
    /// - Returns: true if the run should end now.
    func isNear(step: Double, save: Double, now: Date = .now) -> Bool {
        moment.timeIntervalSince(now) < 1.25 * (step + save) + 1
    }
}
