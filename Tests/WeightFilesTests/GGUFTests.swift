import Foundation
import JSONText
import Testing
import WeightFiles

/// GGUF files made by gguf-py: every type of metadata value, both versions, several alignments.
struct GGUFTests {
    @Test func readsEveryTypeOfMetadata() throws {
        let metadata = try GGUFFile(path: fixture("metadata.gguf")).metadata
        let expected = try #require(try JSON(parsing: contents(fixture("metadata.json"))).object)
        for (key, value) in expected.members {
            let found = try #require(metadata[key])
            #expect(matches(found, value), "\(key): \(found), expected \(value)")
        }
        #expect(metadata.keys.count == expected.count + 2)
        #expect(metadata["one"] == nil && metadata["None"] == nil)
        #expect(try metadata.string("e\u{301}") == "decomposed")
        #expect(try metadata.string("\u{e9}") == "composed")
    }

    private func matches(_ value: GGUFValue, _ expected: JSON) -> Bool {
        switch (value, expected) {
        case (.integer(let a), .integer(let b)): a == b
        // 2⁶⁴ − 1 does not fit a JSON integer.
        case (.integer(let a), .number(let b)): Double(a) == b
        case (.number(let a), .number(let b)): a == b
        case (.bool(let a), .bool(let b)): a == b
        case (.string(let a), .string(let b)): a.elementsEqual(b.utf8)
        case (.array(let a), .array(let b)): a.count == b.count && b.indices.allSatisfy { matches(a[$0], b[$0]) }
        default: false
        }
    }

    @Test func typedAccess() throws {
        let metadata = try GGUFFile(path: fixture("metadata.gguf")).metadata
        #expect(try metadata.int("one.INT64.0") == Int.min && metadata.int("one.UINT8.1") == 255)
        #expect(try metadata.double("one.FLOAT64") == 0.1 && metadata.double("one.INT8.0") == -128)
        #expect(try metadata.bool("one.BOOL.1") == true)
        #expect(try metadata.ints("many.INT16") == [-32768, 32767])
        #expect(try metadata.ints("many.UINT32") == [0, 4_294_967_295])
        #expect(try metadata.ints("many.INT64") == [Int.min, Int.max])
        #expect(try metadata.floats("many.FLOAT32") == [0.5, -1.25, 3.0e38])
        #expect(try metadata.floats("many.FLOAT64") == [0.5, -1.25, 1.0e38])
        let strings = try #require(try metadata.strings("many.STRING"))
        #expect(strings.map { $0.text?.unicodeScalars.count } == [0, 1, 2, 1, 4])
        #expect(try metadata.bytes("bytes.STRING").map(Array.init) == [0xFF, 0xFE, 0x80])
        #expect(try metadata.strings("bytes.many")?.map(Array.init) == [[0xFF], Array("ok".utf8)])
        #expect(try metadata.int("none") == nil && metadata.string("none") == nil && metadata.floats("none") == nil)
        #expect(try metadata.required("one.INT8.1", metadata.int) == 127)
    }

    @Test func wrongTypesAreNamed() throws {
        let path = fixture("metadata.gguf")
        let metadata = try GGUFFile(path: path).metadata
        func expect(_ expected: String, _ body: () throws -> Void) {
            #expect(message(body) == "\(path): metadata key \(expected)")
        }
        expect("one.STRING is a value of type string, expected an integer below 2⁶³") {
            _ = try metadata.int("one.STRING")
        }
        expect("one.UINT64.2 is a value of type uint64, expected an integer below 2⁶³") {
            _ = try metadata.int("one.UINT64.2")
        }
        expect("many.UINT64 is an array of 3 uint64 values, expected an array of integers below 2⁶³") {
            _ = try metadata.ints("many.UINT64")
        }
        expect("one.INT8.0 is a value of type int8, expected a string") { _ = try metadata.string("one.INT8.0") }
        expect("bytes.STRING is a string that is not valid UTF-8") { _ = try metadata.string("bytes.STRING") }
        expect("one.BOOL.0 is a value of type bool, expected a number") { _ = try metadata.double("one.BOOL.0") }
        expect("one.INT8.0 is a value of type int8, expected a bool") { _ = try metadata.bool("one.INT8.0") }
        expect("many.INT8 is an array of 2 int8 values, expected an array of strings") {
            _ = try metadata.strings("many.INT8")
        }
        expect("many.INT8 is an array of 2 int8 values, expected an array of floats") {
            _ = try metadata.floats("many.INT8")
        }
        expect("llama.block_count is missing") { _ = try metadata.required("llama.block_count", metadata.int) }
    }

    @Test func shapesAreOutermostFirst() throws {
        let tensors = try GGUFFile(path: fixture("metadata.gguf")).tensors
        let cube = try tensors.weight("cube", shape: [2, 3, 4])
        #expect(floats(cube) == (0..<24).map(Float.init))
        #expect(try floats(tensors.weight("scalar", shape: [1])) == [0])
    }

    @Test(arguments: ["align1", "align8", "align32", "align64", "version2"])
    func dataBeginWhereTheAlignmentSays(_ name: String) throws {
        let tensors = try GGUFFile(path: fixture(name + ".gguf")).tensors
        #expect(tensors.names == ["first", "second"])
        #expect(try floats(tensors.weight("first", shape: [3])) == [0, 1, 2])
        #expect(try floats(tensors.weight("second", shape: [4, 5])) == (0..<20).map(Float.init))
    }

    @Test func anEmptyModelIsRead() throws {
        let folder = try TemporaryFolder()
        let file = try GGUFFile(path: try folder.write(GGUFBuilder().bytes, as: "empty.gguf"))
        #expect(file.tensors.names.isEmpty && file.metadata.keys.isEmpty)
    }
}
