import Testing

@testable import Datasets

@Suite struct BadInputTests {
    @Test(
        arguments: [
            ("", "data.jsonl: the file is empty"),
            ("\n  \r\n\t\n", "data.jsonl: the file has no rows, only blank lines"),
            (
                " [{\"text\": \"a\"}]",
                "data.jsonl: a JSON array where JSONL (one JSON object per line) is expected; "
                    + "convert it: jq -c '.[]' data.jsonl > data.jsonl.jsonl"
            ),
            (
                "{\"text\": \"a\"}\n\n{\"text\": \"b}\n",
                "data.jsonl:3: column 10: the string that begins here does not end (each line must hold one whole JSON object)"
            ),
            (
                "{\n  \"text\": \"a\"\n}\n",
                "data.jsonl:1: column 2: a key in quotes is expected (each line must hold one whole JSON object)"
            ),
            (
                "{\"text\": \"a\"} {\"text\": \"b\"}",
                "data.jsonl:1: column 15: unexpected text after the value (each line must hold one whole JSON object)"
            ),
            ("{\"text\": \"a\"}\n\"b\"\n", "data.jsonl:2: the row is a string; expected an object"),
            (
                "{\"question\": \"a\", \"chosen\": \"b\"}",
                "data.jsonl:1: no known form of row: found the columns \"question\", \"chosen\"; expected messages, "
                    + "conversations, prompt + completion, instruction + output, or text (data.columns maps other names)"
            ),
            (
                "{}",
                "data.jsonl:1: no known form of row: found no columns; expected messages, conversations, "
                    + "prompt + completion, instruction + output, or text (data.columns maps other names)"
            ),
            (
                "{\"text\": \"a\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}",
                "data.jsonl:2: the column \"text\" is missing: the file's first row is text, "
                    + "this one has \"prompt\", \"completion\""
            ),
            (
                "{\"prompt\": \"a\", \"completion\": \"b\"}\n{}",
                "data.jsonl:2: the column \"prompt\" is missing: the file's first row is prompt + completion, "
                    + "this one has no columns"
            ),
            ("{\"text\": 3}", "data.jsonl:1: \"text\" is a number; expected a string"),
            ("{\"text\": null}", "data.jsonl:1: \"text\" is null; expected a string"),
            (
                "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \"completion\": [\"b\"]}",
                "data.jsonl:2: \"completion\" is an array; expected a string"
            ),
            (
                "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": \"b\"}",
                "data.jsonl:1: \"completion\" is a string; expected a list of messages"
            ),
            (
                "{\"instruction\": \"a\", \"input\": [1], \"output\": \"b\"}",
                "data.jsonl:1: \"input\" is an array; expected a string"
            ),
            ("{\"messages\": \"a\"}", "data.jsonl:1: \"messages\" is a string; expected a list of messages"),
            ("{\"messages\": []}", "data.jsonl:1: \"messages\" is empty; expected at least one message"),
            (
                "{\"messages\": [\"a\"]}",
                "data.jsonl:1: messages[0] is a string; expected an object with \"role\" and \"content\""
            ),
            ("{\"messages\": [{\"content\": \"a\"}]}", "data.jsonl:1: messages[0] has no \"role\""),
            (
                "{\"messages\": [{\"role\": 1, \"content\": \"a\"}]}",
                "data.jsonl:1: messages[0].role is a number; expected a string"
            ),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"asistant\", \"content\": \"a\"}]}",
                "data.jsonl:1: messages[1] has the unknown role \"asistant\"; known roles: system, developer, user, human, "
                    + "assistant, gpt, tool, function, ipython"
            ),
            (
                "{\"conversations\": [{\"from\": \"bard\", \"value\": \"a\"}]}",
                "data.jsonl:1: conversations[0] has the unknown role \"bard\"; known roles: system, developer, user, human, "
                    + "assistant, gpt, tool, function, ipython"
            ),
            ("{\"messages\": [{\"role\": \"user\"}]}", "data.jsonl:1: messages[0] has no \"content\""),
            ("{\"conversations\": [{\"from\": \"human\"}]}", "data.jsonl:1: conversations[0] has no \"value\""),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": null}]}",
                "data.jsonl:1: messages[0].content is null; expected a string"
            ),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\"}]}]}",
                "data.jsonl:1: messages[0].content[0] is of type \"image\"; only text can be trained"
            ),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": [7]}]}",
                "data.jsonl:1: messages[0].content[0] is a number; expected text"
            ),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tools\": \"x\"}",
                "data.jsonl:1: \"tools\" is a string that is not the JSON text of a list"
            ),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tools\": 1}",
                "data.jsonl:1: \"tools\" is a number; expected a list"
            ),
            ("PAR1…", "data.jsonl: the file is Parquet; JSONL (one JSON object per line) is expected"),
        ])
    func refused(text: String, message: String) { #expect(Trial.failure(text) == message) }

    @Test func invalidUTF8() {
        let good = Array("{\"text\": \"a\"}\n".utf8)
        #expect(
            Trial.failure(bytes: good + Array("{\"text\": \"a".utf8) + [0xC3, 0x28] + Array("\"}".utf8))
                == "data.jsonl:2: column 11: the string is not valid UTF-8 (each line must hold one whole JSON object)")
    }

    @Test func otherEncodingsAndArchives() {
        #expect(
            Trial.failure(bytes: [0xFF, 0xFE, 0x7B, 0x00])
                == "data.jsonl: the text is UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
        #expect(
            Trial.failure(bytes: [0xFE, 0xFF, 0x00, 0x7B])
                == "data.jsonl: the text is UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
        #expect(
            Trial.failure(bytes: [0x1F, 0x8B, 0x08])
                == "data.jsonl: the file is gzip-compressed; unpack it: gunzip data.jsonl")
        #expect(
            Trial.failure(bytes: [0x28, 0xB5, 0x2F, 0xFD])
                == "data.jsonl: the file is Zstandard-compressed; unpack it: unzstd data.jsonl")
    }

    @Test func missingFileAndFolder() throws {
        let folder = try TemporaryFolder()
        func failure(_ paths: [String]) -> String {
            do {
                _ = try SFTDataset(
                    files: paths, builder: ExampleBuilder(encoder: ByteEncoder(), renderer: nil, options: DataOptions())
                )
                return "none"
            } catch { return "\(error)" }
        }
        let missing = folder.path + "/none.jsonl"
        #expect(failure([missing]) == "\(missing): cannot be opened: No such file or directory")
        #expect(failure([folder.path]) == "\(folder.path): is a folder; a file was expected")
        #expect(failure([]) == "no data file is given")
    }

    @Test func theNameForTheConvertedFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("my.json", Array("[]".utf8))
        #expect {
            try SFTDataset(
                files: [path], builder: ExampleBuilder(encoder: ByteEncoder(), renderer: nil, options: DataOptions()))
        } throws: {
            "\($0)".hasSuffix("convert it: jq -c '.[]' \(path) > \(path)l")
        }
    }

    @Test func whatTheModelOrTheOptionsDoNotAllow() {
        let chat = "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}"
        #expect(
            Trial.failure(chat, renderer: nil)
                == "data.jsonl: the rows (messages) need a chat template, and the model has none; name one: "
                + "data.chat_template: FILE")
        #expect(
            Trial.failure(chat, options: DataOptions(trainOn: .completion))
                == "data.jsonl: train_on: completion needs prompt + completion or instruction + output rows; these are "
                + "messages: use assistant, last_assistant or all")
        for trainOn in [TrainOn.assistant, .lastAssistant, .completion] {
            #expect(
                Trial.failure("{\"text\": \"a\"}", options: DataOptions(trainOn: trainOn))
                    == "data.jsonl: train_on: \(trainOn.rawValue) has no meaning for text rows: use all, or leave train_on out"
            )
        }
        #expect(
            Trial.failure("{\"text\": \"a\"}", encoder: ByteEncoder(eosText: nil))
                == "data.jsonl: the rows (text) are to end with the end-of-sequence token, and the tokenizer has none")
    }

    @Test func theTemplatesRefusalNamesTheRow() {
        let rows = """
            {"messages": [{"role": "assistant", "content": "a"}]}
            {"messages": [{"role": "system", "content": "a"}]}
            """
        #expect(
            Trial.failure(rows, renderer: PlainRenderer(refusesSystem: true))
                == "data.jsonl:2: template, line 3: System role not supported")
    }
}
