import Foundation
import Testing
import WeightFiles

/// What is wrong with a GGUF file is said with the file's name and that of the tensor or key.
struct GGUFRefusalTests {
    static func tensor(_ type: UInt32, _ dimensions: [UInt64], offset: UInt64 = 0, data: Int = 256) -> [UInt8] {
        GGUFBuilder(
            tensors: [.init(dimensions: dimensions, type: type, offset: offset)], dataCount: data
        ).bytes
    }

    static func key(_ type: UInt32, _ value: [UInt8]) -> [UInt8] { GGUFBuilder(keys: [("k", type, value)]).bytes }

    static let weights = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K"
    static let q = "tensor blk.0.attn_q.weight"

    /// The bytes of a broken file, and the message without the file's name.
    static let headers: [(bytes: [UInt8], expected: String)] = [
        (
            Array("GG".utf8),
            "the file ends at byte 2, inside the 4 bytes \"GGUF\" that begin a GGUF file: it is truncated or a length in"
                + " it is wrong"
        ),
        (
            GGUFBuilder(magic: "GGML").bytes,
            "is not a GGUF file: it begins with the bytes 47 47 4d 4c, \"GGUF\" was expected"
        ),
        (GGUFBuilder(version: 1).bytes, "is GGUF version 1; versions 2 and 3 are read: convert the model anew"),
        (GGUFBuilder(version: 4).bytes, "is GGUF version 4; versions 2 and 3 are read"),
        (
            GGUFBuilder(version: UInt32(3).byteSwapped).bytes,
            "is a big-endian GGUF file; convert it first (gguf-convert-endian FILE little)"
        ),
        (
            GGUFBuilder(tensorCount: .max).bytes,
            "the number of tensors is given as 18446744073709551615, more than the 16 bytes that follow can hold"
        ),
        (
            GGUFBuilder(keyCount: 1 << 40).bytes,
            "the number of metadata keys is given as 1099511627776, more than the 8 bytes that follow can hold"
        ),
        (
            GGUFBuilder(keys: [("split.count", 2, little(UInt16(3)))]).bytes,
            "is one of the 3 parts of a split GGUF; join them first (llama-gguf-split --merge FIRST-PART OUT)"
        ),
        (
            GGUFBuilder(keys: [("general.alignment", 4, little(UInt32(24)))]).bytes,
            "general.alignment is 24, a power of two was expected"
        ),
        (
            GGUFBuilder(keys: [("general.alignment", 4, little(UInt32(0)))]).bytes,
            "general.alignment is 0, a power of two was expected"
        ),
        (
            GGUFBuilder(keys: [("general.alignment", 8, little(UInt64(0)))]).bytes,
            "metadata key general.alignment is a value of type string, expected an integer below 2⁶³"
        ),
        (
            GGUFBuilder(keys: [("k", 0, [1]), ("k", 0, [1])]).bytes,
            "metadata key k is there twice"
        ),
        (key(13, [0]), "metadata key k has the type number 13, which is unknown (0 to 12 are known)"),
        (key(7, [2]), "metadata key k is a bool with the value 2, 0 or 1 was expected"),
        (
            key(9, little(UInt32(7), UInt64(3)) + [0, 1, 9]),
            "metadata key k is a bool with the value 9, 0 or 1 was expected"
        ),
        (key(9, little(UInt32(9), UInt64(1))), "metadata key k is an array of arrays, which is not read"),
        (
            key(9, little(UInt32(99), UInt64(1))),
            "each element of metadata key k has the type number 99, which is unknown (0 to 12 are known)"
        ),
        (
            key(9, little(UInt32(8), UInt64(1) << 62)),
            "the number of elements of metadata key k is given as 4611686018427387904, more than the 15 bytes that"
                + " follow can hold"
        ),
        (
            key(9, little(UInt32(12), UInt64(1) << 61)),
            "the number of elements of metadata key k is given as 2305843009213693952, more than the 15 bytes that"
                + " follow can hold"
        ),
        (
            key(9, little(UInt32(8), UInt64(1), UInt64(500))),
            "the length of element 0 of metadata key k is given as 500, more than the 7 bytes that follow can hold"
        ),
        (
            key(9, little(UInt32(8), UInt64(2), UInt64(35)) + [UInt8](repeating: 65, count: 35)),
            "the file ends at byte 96, inside the length of element 1 of metadata key k: it is truncated or a length in"
                + " it is wrong"
        ),
        (
            key(8, little(UInt64.max)),
            "the length of metadata key k is given as 18446744073709551615, more than the 19 bytes that follow can hold"
        ),
        (
            key(11, []).dropLast(20),
            "the file ends at byte 44, inside metadata key k: it is truncated or a length in it is wrong"
        ),
    ]

    static let tensors: [(bytes: [UInt8], expected: String)] = [
        (
            tensor(23, [256]),
            "\(q) is IQ4_XS, which lora-dist does not read; convert the model to one of \(weights), for instance with"
                + " llama-quantize"
        ),
        (
            tensor(10, [256]),
            "\(q) is Q2_K, which lora-dist does not read; convert the model to one of \(weights), for instance with"
                + " llama-quantize"
        ),
        (
            tensor(11, [256]),
            "\(q) is Q3_K, which lora-dist does not read; convert the model to one of \(weights), for instance with"
                + " llama-quantize"
        ),
        (tensor(77, [256]), "\(q) has the type number 77, which is unknown; types read are \(weights)"),
        (
            tensor(3, [48, 2]),
            "\(q): Q4_1 of shape [2, 48] has rows of 48 elements, a multiple of 32 was expected"
        ),
        (
            tensor(12, [128, 2]),
            "\(q): Q4_K of shape [2, 128] has rows of 128 elements, a multiple of 256 was expected"
        ),
        (
            tensor(8, []), "\(q): Q8_0 of shape [] has rows of 1 elements, a multiple of 32 was expected"
        ),
        (tensor(0, [1, 1, 1, 1, 1]), "\(q): has 5 dimensions, at most 4 were expected"),
        (
            tensor(0, [1 << 63]),
            "\(q): has a dimension of 9223372036854775808, below 2⁶³ was expected"
        ),
        (
            tensor(0, [1 << 32, 1 << 32]),
            "\(q): shape [4294967296, 4294967296] has more elements than any file can hold"
        ),
        (
            tensor(0, [1 << 61]), "\(q): shape [2305843009213693952] has more elements than any file can hold"
        ),
        (
            tensor(0, [32, 2], data: 255),
            "\(q): its 256 bytes from data byte 0 do not lie within the 255 bytes of data: the file is truncated or its"
                + " header is wrong"
        ),
        (
            tensor(0, [32, 2], offset: 32),
            "\(q): its 256 bytes from data byte 32 do not lie within the 256 bytes of data: the file is truncated or its"
                + " header is wrong"
        ),
        (
            tensor(0, [32, 2], offset: .max),
            "\(q): its 256 bytes from data byte 18446744073709551615 do not lie within the 256 bytes of data: the file is"
                + " truncated or its header is wrong"
        ),
        (
            GGUFBuilder(tensors: [.init(name: "a"), .init(name: "b", offset: 224)], dataCount: 512).bytes,
            "tensor b: begins at data byte 224, inside tensor a, which ends at 256"
        ),
        (
            GGUFBuilder(tensors: [.init(name: "a"), .init(name: "a", offset: 256)], dataCount: 512).bytes,
            "tensor a is there twice"
        ),
        (
            Array(GGUFBuilder(tensors: [.init()]).bytes.prefix(60)),
            "the file ends at byte 60, inside the description of tensor blk.0.attn_q.weight: it is truncated or a length"
                + " in it is wrong"
        ),
    ]

    @Test func brokenFiles() throws {
        let folder = try TemporaryFolder()
        for (number, test) in (Self.headers + Self.tensors).enumerated() {
            let path = try folder.write(test.bytes, as: "\(number).gguf")
            #expect(message { _ = try GGUFFile(path: path) } == "\(path): \(test.expected)")
        }
    }

    /// llama.cpp's numbers of the types that are not read.
    @Test(arguments: [
        (9, "Q8_1"), (15, "Q8_K"), (16, "IQ2_XXS"), (17, "IQ2_XS"), (18, "IQ3_XXS"), (19, "IQ1_S"), (20, "IQ4_NL"),
        (21, "IQ3_S"), (22, "IQ2_S"), (29, "IQ1_M"), (34, "TQ1_0"), (35, "TQ2_0"), (39, "MXFP4"), (40, "NVFP4"),
    ])
    func typesAreRefusedByName(_ number: UInt32, _ name: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.tensor(number, [256]), as: "model.gguf")
        #expect(message { _ = try GGUFFile(path: path) }.hasPrefix("\(path): \(Self.q) is \(name), which"))
    }

    @Test func otherNumbersAreListedAndRefusedAsWeights() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.tensor(26, [32, 2]), as: "model.gguf")
        let tensors = try GGUFFile(path: path).tensors
        #expect(tensors["blk.0.attn_q.weight"]?.type == .i32)
        #expect(
            message { _ = try tensors.weight("blk.0.attn_q.weight", shape: [2, 32]) }
                == "\(path): \(Self.q) is I32, expected one of \(Self.weights)")
    }
}
