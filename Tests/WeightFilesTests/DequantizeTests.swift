import CKernels
import Tensors
import Testing
import WeightFiles

/// Every storage format is widened bit for bit as gguf-py does it, by every instruction set.
struct DequantizeTests {
    @Test func equalsGGUFPyBitForBit() throws {
        let stored = try GGUFFile(path: fixture("quants.gguf")).tensors
        let expected = try TensorCollection.safetensors(at: fixture("quants.expected.safetensors"))
        #expect(Set(stored.tensors.map(\.type)) == Set(ElementType.allCases.filter(\.isWeight)))
        for tensor in stored.tensors {
            let reference = try #require(expected[tensor.name])
            #expect(reference.shape == tensor.shape && tensor.name == "t." + tensor.type.name)
            for isa in ck_isa.available {
                let difference = firstDifference(floats(tensor, with: isa), floats(reference))
                #expect(difference == nil, "\(tensor.name), instruction set \(isa.rawValue)")
            }
        }
    }

    @Test(arguments: StorageFormat.allCases) func blocksInTheMiddleOfAnUnalignedRow(_ format: StorageFormat) throws {
        let type = try #require(ElementType(rawValue: format.rawValue))
        let tensor = try #require(try GGUFFile(path: fixture("quants.gguf")).tensors["t." + type.name])
        let whole = floats(tensor)
        let block = format.blockElements
        let row = UnsafeMutableRawPointer.allocate(byteCount: tensor.bytes.count + 1, alignment: 64)
        defer { row.deallocate() }
        (row + 1).copyMemory(from: tensor.bytes.baseAddress!, byteCount: tensor.bytes.count)
        for isa in ck_isa.available {
            for (first, count) in [(block, 2 * block), (3 * block, block), (2 * block, 0)] {
                var out = [Float](repeating: .nan, count: count + 1)
                ck_widen_with(isa, ck_format(format.rawValue), row + 1, first, count, &out)
                #expect(firstDifference(Array(out.dropLast()), Array(whole[first..<first + count])) == nil)
                #expect(out[count].isNaN, "wrote beyond the end")
            }
        }
    }

    @Test func everyF16AndBF16() {
        let patterns = Array(UInt16.min...UInt16.max)
        for isa in ck_isa.available {
            var halves = [Float](repeating: 0, count: patterns.count)
            ck_widen_with(isa, CK_F16, patterns, 0, patterns.count, &halves)
            var brains = halves
            ck_widen_with(isa, CK_BF16, patterns, 0, patterns.count, &brains)
            for pattern in patterns {
                let isNaN = pattern & 0x7FFF > 0x7C00
                let half = halves[Int(pattern)]
                #expect(half.isNaN == isNaN)
                // Sign, exponent and fraction by the definition of the format.
                if !isNaN, pattern & 0x7C00 != 0x7C00 {
                    let exponent = Int(pattern >> 10 & 31)
                    let fraction = Float(pattern & 0x3FF) + (exponent == 0 ? 0 : 1024)
                    let value = Float(sign: .plus, exponent: max(exponent, 1) - 25, significand: fraction)
                    #expect(half.bitPattern == (pattern >> 15 == 0 ? value : -value).bitPattern)
                } else if !isNaN {
                    #expect(half == (pattern >> 15 == 0 ? Float.infinity : -Float.infinity))
                }
                #expect(brains[Int(pattern)].bitPattern == UInt32(pattern) << 16)
            }
        }
    }

    @Test func formatsAgreeWithElementTypes() throws {
        for format in StorageFormat.allCases {
            let type = try #require(ElementType(rawValue: format.rawValue))
            #expect(type.name == String(describing: format).uppercased())
            #expect(type.blockElements == format.blockElements && type.blockBytes == format.blockBytes)
            #expect(format.byteCount(elements: 512) == 512 / type.blockElements * type.blockBytes)
        }
        #expect(StorageFormat.allCases.count == ElementType.allCases.filter(\.isWeight).count)
    }

    @Test func widenThroughTheFormat() throws {
        let tensor = try #require(try GGUFFile(path: fixture("quants.gguf")).tensors["t.Q4_K"])
        var out = [Float](repeating: .nan, count: tensor.elementCount)
        out.withUnsafeMutableBufferPointer { StorageFormat.q4_K.widen(tensor.bytes, into: $0) }
        #expect(firstDifference(out, floats(tensor)) == nil)
    }
}
