import ChatTemplates
import Foundation
import Testing

@Suite struct TemplateDateTests {
    @Test func readsDates() {
        #expect(TemplateDate(parsing: "2024-07-26") == TemplateDate(year: 2024, month: 7, day: 26))
        #expect(
            TemplateDate(parsing: "2024-02-29T23:59:01")
                == TemplateDate(year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 1))
        for text in [
            "", "2024", "2024-7-26", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-01T25:00:00", "x-07-26",
            "20240726",
        ] {
            #expect(TemplateDate(parsing: text) == nil, "\(text)")
        }
        #expect(TemplateDate(year: 1900, month: 2, day: 29) == nil)
        #expect(TemplateDate(year: 2000, month: 2, day: 29) != nil)
    }

    /// Weekdays and days of the year of every day of 400 years, against Foundation's calendar.
    @Test func knowsTheCalendar() throws {
        let template = try ChatTemplate(source: "{{ strftime_now('%Y %m %d %w %j %U %W') }}", name: "t")
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        var day = try #require(calendar.date(from: DateComponents(year: 1890, month: 1, day: 1)))
        for _ in 0..<1500 {
            let parts = calendar.dateComponents([.year, .month, .day, .weekday], from: day)
            let date = try #require(TemplateDate(year: parts.year!, month: parts.month!, day: parts.day!))
            let ordinal = try #require(calendar.ordinality(of: .day, in: .year, for: day))
            let sundays = (ordinal + 6 - (parts.weekday! - 1)) / 7
            let mondays = (ordinal + 6 - (parts.weekday! + 5) % 7) / 7
            let expected = String(
                format: "%d %02d %02d %d %03d %02d %02d", parts.year!, parts.month!, parts.day!, parts.weekday! - 1,
                ordinal,
                sundays, mondays)
            #expect(try template.render(messages: [], addGenerationPrompt: false, date: date).string == expected)
            day = try #require(calendar.date(byAdding: .day, value: 97, to: day))
        }
    }
}
