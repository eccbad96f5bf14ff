import Foundation
import Testing
import WeightFiles

/// What is wrong with a safetensors file is said with the file's and the tensor's name.
struct SafetensorsRefusalTests {
    static let good = #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#

    /// The bytes of a broken file, and the message without the file's name.
    static let cases: [(bytes: [UInt8], expected: String)] = [
        ([1, 2, 3], "is 3 bytes long; a safetensors file begins with the 8 bytes of its header's length"),
        ([], "is 0 bytes long; a safetensors file begins with the 8 bytes of its header's length"),
        (
            safetensorsBytes(good + "}", length: 1000, data: 24),
            "the header's length is given as 1000 bytes, but only 81 follow: the file is truncated or not a safetensors"
                + " file"
        ),
        (
            safetensorsBytes(good + "}", length: .max, data: 24),
            "the header's length is given as 18446744073709551615 bytes, but only 81 follow: the file is truncated or"
                + " not a safetensors file"
        ),
        (
            safetensorsBytes(good, data: 24),
            "the header is not valid JSON (header line 1, column 57: ',' or '}' is expected)"
        ),
        (safetensorsBytes("[]", data: 0), "the header is an array, an object was expected"),
        (
            safetensorsBytes(good + "}", data: 20),
            "tensor a: data_offsets [0, 24] do not lie within the 20 bytes of data: the file is truncated or its header"
                + " is wrong"
        ),
        (safetensorsBytes(good + "}", data: 25), "1 bytes after the end of tensor a belong to no tensor"),
        (safetensorsBytes("{}", data: 4), "4 bytes after the end of the header belong to no tensor"),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[2,4],"data_offsets":[0,24]}}"#, data: 24),
            "tensor a: F32 of shape [2, 4] takes 32 bytes, but data_offsets [0, 24] hold 24"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}}"#, data: 8),
            "tensor a: dtype Q9 is unknown, expected one of BF16, BOOL, C64, F16, F32, F64, F8_E4M3, F8_E5M2, F8_E8M0,"
                + " I16, I32, I64, I8, U16, U32, U64, U8"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, data: 8),
            "tensor a: shape [4294967296, 4294967296] has more elements than any file can hold"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, data: 4),
            "tensor a: shape is missing or not a list of whole numbers"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, data: 4),
            "tensor a: shape is missing or not a list of whole numbers"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, data: 4),
            "tensor a: data_offsets [4, 0] do not lie within the 4 bytes of data: the file is truncated or its header"
                + " is wrong"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, data: 4),
            "tensor a: data_offsets is missing or not a list of two whole numbers"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[1]}}"#, data: 4),
            "tensor a: has 2 keys; dtype, shape and data_offsets were expected"
        ),
        (
            safetensorsBytes(#"{"a":{"dtype":"F32","shape":[1],"offset":[0,4]}}"#, data: 4),
            "tensor a: has the key offset; dtype, shape and data_offsets were expected"
        ),
        (safetensorsBytes(#"{"a":7}"#, data: 4), "tensor a: described by a number, an object was expected"),
        (
            safetensorsBytes(good + #","b":{"dtype":"F32","shape":[1],"data_offsets":[20,24]}}"#, data: 24),
            "tensor b: begins at data byte 20, inside tensor a, which ends at 24"
        ),
        (
            safetensorsBytes(good + #","b":{"dtype":"F32","shape":[1],"data_offsets":[28,32]}}"#, data: 32),
            "tensor b: begins at data byte 28, but tensor a ends at 24: the bytes between belong to no tensor"
        ),
        (
            safetensorsBytes(#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, data: 8),
            "tensor b: begins at data byte 4, but the header ends at 0: the bytes between belong to no tensor"
        ),
        (
            safetensorsBytes(good + #","a":{"dtype":"F32","shape":[1],"data_offsets":[24,28]}}"#, data: 28),
            "the header names a twice"
        ),
        (safetensorsBytes(#"{"__metadata__":3}"#, data: 0), "__metadata__ is a number, an object was expected"),
        (
            safetensorsBytes(#"{"__metadata__":{"a":1}}"#, data: 0),
            "__metadata__ holds a number under a, a string was expected"
        ),
        (
            safetensorsBytes(#"{"a\nb":{"dtype":"F32","shape":[1]}}"#, data: 4),
            "tensor a<U+000A>b: has 2 keys; dtype, shape and data_offsets were expected"
        ),
    ]

    @Test func brokenFiles() throws {
        let folder = try TemporaryFolder()
        for (number, test) in Self.cases.enumerated() {
            let path = try folder.write(test.bytes, as: "\(number).safetensors")
            #expect(message { _ = try TensorCollection.safetensors(at: path) } == "\(path): \(test.expected)")
        }
    }

    @Test func namesThatUnicodeCallsEqualAreDifferentTensors() throws {
        let folder = try TemporaryFolder()
        let header =
            "{\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            + "\"\u{e9}\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}"
        let path = try folder.write(safetensorsBytes(header, data: 3), as: "names")
        let collection = try TensorCollection.safetensors(at: path)
        #expect(collection["e\u{301}"]?.shape == [1] && collection["\u{e9}"]?.shape == [2])
    }

    /// The index of the sharded fixture with other lines in its weight map.
    private func sharded(_ folder: TemporaryFolder, _ map: String) throws -> String {
        for shard in 1...2 {
            let name = "model-0000\(shard)-of-00002.safetensors"
            _ = try folder.write(contents(fixture("sharded/\(name)")), as: name)
        }
        return try folder.write(Array(map.utf8), as: "model.safetensors.index.json")
    }

    @Test(arguments: [
        (
            #"{"weight_map":{"a.weight":"../x.safetensors"}}"#,
            "INDEX: tensor a.weight is said to be in \"../x.safetensors\", which is not the name of a file in the folder"
        ),
        (
            #"{"weight_map":{"a.weight":"/etc/passwd"}}"#,
            "INDEX: tensor a.weight is said to be in \"/etc/passwd\", which is not the name of a file in the folder"
        ),
        (
            #"{"weight_map":{"a.weight":".."}}"#,
            "INDEX: tensor a.weight is said to be in \"..\", which is not the name of a file in the folder"
        ),
        (
            #"{"weight_map":{"a.weight":"x\u0000y"}}"#,
            "INDEX: tensor a.weight is said to be in \"x<U+0000>y\", which is not the name of a file in the folder"
        ),
        (
            #"{"weight_map":{"a.weight":3}}"#,
            "INDEX: weight_map gives a number for tensor a.weight, a file name was expected"
        ),
        (#"{"weight_map":{}}"#, "INDEX: weight_map is empty"),
        (#"{"weights":{}}"#, "INDEX: has no object weight_map"),
        ("{", "INDEX: line 1, column 2: a key in quotes is expected"),
        (
            #"{"weight_map":{"a.weight":"ONE","b.weight":"ONE","a.weight":"TWO"}}"#,
            "INDEX: weight_map names tensor a.weight twice"
        ),
        (
            #"{"weight_map":{"a.weight":"ONE"}}"#,
            "FOLDER/ONE: holds tensor b.weight, which INDEX does not name there"
        ),
        (
            #"{"weight_map":{"a.weight":"ONE","b.weight":"TWO","c.weight":"TWO"}}"#,
            "FOLDER/ONE: holds tensor b.weight, which INDEX says is in TWO"
        ),
        (
            #"{"weight_map":{"a.weight":"ONE","b.weight":"ONE","d.weight":"ONE"}}"#,
            "FOLDER/ONE: does not hold tensor d.weight, which INDEX says it does"
        ),
        (
            #"{"weight_map":{"a.weight":"none.safetensors"}}"#,
            "FOLDER/none.safetensors: cannot be opened: No such file or directory"
        ),
    ])
    func brokenIndex(_ map: String, _ expected: String) throws {
        let folder = try TemporaryFolder()
        func fill(_ text: String) -> String {
            text.replacingOccurrences(of: "ONE", with: "model-00001-of-00002.safetensors")
                .replacingOccurrences(of: "TWO", with: "model-00002-of-00002.safetensors")
        }
        let index = try sharded(folder, fill(map))
        let filled = fill(expected).replacingOccurrences(of: "INDEX", with: index)
            .replacingOccurrences(of: "FOLDER", with: folder.path)
        #expect(message { _ = try TensorCollection.folder(folder.path) } == filled)
    }

    @Test func foldersWithoutWeights() throws {
        let folder = try TemporaryFolder()
        let reason = "holds neither model.safetensors nor model.safetensors.index.json"
        #expect(message { _ = try TensorCollection.folder(folder.path) } == "\(folder.path): \(reason)")
        let pickle = try folder.write([1], as: "pytorch_model.bin")
        #expect(
            message { _ = try TensorCollection.folder(folder.path) }
                == "\(folder.path): \(reason); pytorch_model.bin is not read: save the model in safetensors form first")
        #expect(
            message { _ = try TensorCollection.folder(pickle) }
                == "\(pickle): is not a folder; a model folder was expected")
        #expect(
            message { _ = try TensorCollection.folder(folder.path + "/none") }
                == "\(folder.path)/none: No such file or directory")
    }
}
