import Foundation
import Testing
import WeightFiles

/// safetensors files made by the reference library, read and written.
struct SafetensorsTests {
    @Test func readsEveryTypeOfWeight() throws {
        let collection = try TensorCollection.safetensors(at: fixture("mixed.safetensors"))
        let expected = try TensorCollection.safetensors(at: fixture("mixed.expected.safetensors"))
        #expect(expected.names.sorted() == ["w.bf16", "w.f16", "w.f32"])
        for reference in expected.tensors {
            let tensor = try collection.weight(reference.name, shape: [5, 3])
            #expect(tensor.type.name == String(reference.name.dropFirst(2)).uppercased())
            #expect(firstDifference(floats(tensor), floats(reference)) == nil)
        }
        #expect(collection.metadata.map(\.key) == ["note"] && collection.metadata[0].value == "é\n\"quoted\"")
    }

    @Test func listsOtherTypesAndRefusesThemAsWeights() throws {
        let path = fixture("mixed.safetensors")
        let collection = try TensorCollection.safetensors(at: path)
        let ids = try #require(collection["position_ids"])
        #expect(ids.type == .i64 && ids.shape == [2, 3])
        #expect((0..<6).map { ids.bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) } == [0, 1, 2, 3, 4, 5])
        #expect(Array(try #require(collection["mask"]).bytes) == [1, 0, 1])
        #expect(Array(try #require(collection["bytes"]).bytes) == [0, 1, 2, 3, 4])
        #expect(
            message { _ = try collection.weight("position_ids", shape: [2, 3]) }
                == "\(path): tensor position_ids is I64, expected one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1,"
                + " Q4_K, Q5_K, Q6_K")
        #expect(
            message { _ = try collection.weight("w.f32", shape: [3, 5]) }
                == "\(path): tensor w.f32 is [5, 3], expected [3, 5]")
        #expect(
            message { _ = try collection.weight("w.f64", shape: [3]) }
                == "\(path): tensor w.f64 of shape [3] is missing")
    }

    @Test func readsAShardedFolder() throws {
        let folder = fixture("sharded")
        let collection = try TensorCollection.folder(folder)
        #expect(collection.path == folder && collection.names.sorted() == ["a.weight", "b.weight", "c.weight"])
        for (name, type, shard) in [("a.weight", ElementType.f32, 1), ("b.weight", .bf16, 1), ("c.weight", .f16, 2)] {
            let tensor = try collection.weight(name, shape: [5, 3])
            #expect(tensor.type == type && tensor.file.path == "\(folder)/model-0000\(shard)-of-00002.safetensors")
        }
    }

    @Test func prefersTheSingleFile() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(contents(fixture("mixed.safetensors")), as: "model.safetensors")
        _ = try folder.write(Array("not an index".utf8), as: "model.safetensors.index.json")
        #expect(try TensorCollection.folder(folder.path)["w.f32"] != nil)
    }

    @Test func writesTheBytesOfTheReferenceLibrary() throws {
        let folder = try TemporaryFolder()
        for (name, metadata) in [("written", ["format": "pt"]), ("written-without-metadata", [:])] {
            let reference = fixture(name + ".safetensors")
            let tensors = try TensorCollection.safetensors(at: reference).tensors
            #expect(!tensors.isEmpty)
            // In an order that is neither that of the names nor that of the file.
            let shuffled = tensors.enumerated().sorted { ($0.offset * 5 % 8) < ($1.offset * 5 % 8) }.map(\.element)
            let path = folder.path + "/" + name
            try SafetensorsWriter().write(
                to: path, tensors: shuffled.map { ($0.name, $0.shape, floats($0)) }, metadata: metadata)
            #expect(try contents(path) == contents(reference))
            // Over a longer file that is there already.
            _ = try folder.write([UInt8](repeating: 7, count: 5000), as: name)
            try SafetensorsWriter().write(
                to: path, tensors: tensors.map { ($0.name, $0.shape, floats($0)) }, metadata: metadata)
            #expect(try contents(path) == contents(reference))
        }
    }

    @Test func saysWhyItCannotWrite() throws {
        let folder = try TemporaryFolder()
        let missing = folder.path + "/none/file"
        let tensors = [(name: "a", shape: [1], floats: [Float(1)])]
        #expect(
            message { try SafetensorsWriter().write(to: missing, tensors: tensors) }
                == "\(missing): cannot be created: No such file or directory")
        #expect(
            message { try SafetensorsWriter().write(to: "/dev/full", tensors: tensors) }
                == "/dev/full: cannot be written: No space left on device")
    }
}
