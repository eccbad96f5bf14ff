import Foundation
import Testing

extension ProgramTests {
    /// What data that cannot be trained on get: one message that names file and line, code 3, at once.
    @Suite struct DataRefusalTests {
        private let tiny: TinyRun

        init() throws { tiny = try TinyRun() }

        /// Expects these lines, after two good ones, to be refused.
        private func refuses(_ lines: String, says texts: String...) throws {
            try tiny.folder.write(TinyRun.row(0) + TinyRun.row(1) + lines, to: "bad.jsonl")
            try expectRefusal(
                ["train", "--config", "good.yaml", "--set", "data.train=bad.jsonl"], code: 3, ["bad.jsonl"] + texts,
                in: tiny.path)
        }

        @Test func malformedJSON() throws {
            try refuses("{\"messages\": [}\n", says: "bad.jsonl:3: ")
        }

        @Test func unknownRole() throws {
            try refuses(
                #"{"messages": [{"role": "wizard", "content": "a"}, {"role": "assistant", "content": "b"}]}"# + "\n",
                says: "bad.jsonl:3: ", "wizard", "assistant")
        }

        @Test func unequalColumns() throws {
            try refuses(#"{"prompt": "a", "completion": "b"}"# + "\n", says: "bad.jsonl:3: ")
        }

        @Test func invalidUTF8() throws {
            try tiny.spoil("train.jsonl") { bytes in bytes[bytes.firstIndex(of: UInt8(ascii: "b"))!] = 0xFF }
            try tiny.refusesToTrain(says: "train.jsonl:1: ")
        }

        @Test func arrayOfRows() throws {
            try tiny.folder.write("[\n" + TinyRun.row(0) + "]\n", to: "array.jsonl")
            try tiny.refusesToTrain("data.train=array.jsonl", says: "array.jsonl", "jq -c '.[]'")
        }

        @Test func blankLinesOnly() throws {
            try tiny.folder.write("\n\n \n", to: "blank.jsonl")
            try tiny.refusesToTrain("data.train=blank.jsonl", says: "blank.jsonl")
        }

        @Test func nothingTrained() throws {
            let rows = String(repeating: #"{"messages": [{"role": "user", "content": "a"}]}"# + "\n", count: 4)
            try tiny.folder.write(rows, to: "asked.jsonl")
            try tiny.refusesToTrain("data.train=asked.jsonl", says: "trained")
        }

        @Test func heldOutDataAsWell() throws {
            try tiny.folder.write("{\"messages\": 5}\n", to: "held.jsonl")
            try tiny.refusesToTrain("data.eval=held.jsonl", says: "held.jsonl:1: ")
        }
    }
}
