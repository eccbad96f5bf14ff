import CKernels
import Foundation
import JSONText
import Testing
import WeightFiles

@testable import Tensors

/// 4-bit NormalFloat is bit for bit what bitsandbytes makes on a CPU.
struct NF4Tests {
    private let workers = Workers(count: 2)
    private let oracle: TensorCollection

    init() throws { oracle = try TensorCollection.safetensors(at: fixture("nf4.safetensors")) }

    private func tensor(_ name: String) throws -> StoredTensor { try #require(oracle[name]) }
    private func bytes(_ name: String) throws -> [UInt8] { Array(try tensor(name).bytes) }

    /// A quantised tensor as a matrix.
    private func matrix(_ tensor: NF4Tensor) -> StoredMatrix {
        final class Owner {
            let tensor: NF4Tensor
            init(_ tensor: NF4Tensor) { self.tensor = tensor }
        }
        let owner = Owner(tensor)
        // The arrays live as long as the owner, and nothing changes them.
        func place<Element>(_ array: [Element]) -> UnsafeRawBufferPointer { array.withUnsafeBytes { $0 } }
        return StoredMatrix(
            nf4: NF4Parts(
                codes: place(owner.tensor.codes), scales: place(owner.tensor.scales),
                groups: place(owner.tensor.groups), map: NF4Tensor.scaleMap, offset: tensor.offset),
            rows: tensor.rows, columns: tensor.columns, owner: owner)
    }

    @Test func theMapOfScales() throws {
        #expect(firstDifference(NF4Tensor.scaleMap, floats(try tensor("scale_map"))) == nil)
    }

    @Test(arguments: ["blocks", "ragged", "edges"]) func quantises(_ name: String) throws {
        let input = try tensor("\(name).input")
        let source = StoredMatrix(rows: input.shape[0], columns: input.shape[1], values: floats(input))
        let found = try #require(NF4Tensor(quantizing: source, on: workers))
        let offset = floats(try tensor("\(name).offset"))[0]
        #expect(found.codes == (try bytes("\(name).codes")))
        #expect(abs(found.offset - offset) <= offset.ulp)
        // All else is compared given its offset.
        let absmax = floats(try tensor("\(name).absmax"))
        let same = NF4Tensor(
            rows: found.rows, columns: found.columns, codes: found.codes, absmax: absmax, offset: offset)
        #expect(same.scales == (try bytes("\(name).scales")))
        #expect(firstDifference(same.groups, floats(try tensor("\(name).groups"))) == nil)
        #expect(firstDifference(matrix(same).values, floats(try tensor("\(name).output"))) == nil)
    }

    /// Every window of every row by every instruction set, at any place in a block.
    @Test(arguments: ["ragged", "blocks"]) func windows(_ name: String) throws {
        let input = try tensor("\(name).input")
        let codes = try bytes("\(name).codes")
        let scales = try bytes("\(name).scales")
        let expected = floats(try tensor("\(name).output"))
        let plain = floats(try tensor("\(name).plain"))
        // At an odd address, as a mapped file may have it.
        let groups = [0] + (try bytes("\(name).groups"))
        let absmax = [0] + (try bytes("\(name).absmax"))
        let offset = floats(try tensor("\(name).offset"))[0]
        for isa in ck_isa.available {
            for (first, count) in [(0, input.elementCount), (0, 1), (1, 64), (63, 2), (64, 64), (65, 130), (130, 0)] {
                for isNested in [true, false] {
                    var out = [Float](repeating: .nan, count: count + 1)
                    groups.withUnsafeBytes { groups in
                        absmax.withUnsafeBytes { absmax in
                            codes.withUnsafeBufferPointer { codes in
                                scales.withUnsafeBufferPointer { scales in
                                    NF4Tensor.scaleMap.withUnsafeBufferPointer { map in
                                        var parts = ck_nf4(
                                            codes: codes.baseAddress, scales: isNested ? scales.baseAddress : nil,
                                            groups: (isNested ? groups : absmax).baseAddress! + 1,
                                            map: map.baseAddress, offset: isNested ? offset : 0)
                                        ck_nf4_widen_with(isa, &parts, first, count, &out)
                                    }
                                }
                            }
                        }
                    }
                    let wanted = Array((isNested ? expected : plain)[first..<first + count])
                    #expect(firstDifference(Array(out.dropLast()), wanted) == nil, "\(isa) \(first) \(count)")
                    #expect(out[count].isNaN, "wrote beyond the end")
                }
            }
        }
    }

    @Test func whatIsNoNumberIsRefused() {
        for value in [Float.nan, .infinity, -.infinity] {
            for place in [0, 63, 64, 129] {
                var values = [Float](repeating: 1, count: 130)
                values[place] = value
                let source = StoredMatrix(rows: 2, columns: 65, values: values)
                #expect(NF4Tensor(quantizing: source, on: workers) == nil)
            }
        }
    }

    @Test func smolLM2() throws {
        let json = try JSON(parsing: contents(fixture("nf4.smollm2.json")))
        let file = try GGUFFile(path: ModelDigestTests.modelPath)
        let weight = try #require(file.tensors["blk.0.ffn_gate.weight"])
        let source = StoredMatrix(
            bytes: weight.bytes, format: .q4_1, rows: weight.shape[0], columns: weight.shape[1], owner: weight.file)
        let found = try #require(NF4Tensor(quantizing: source, on: workers))
        #expect(digestText(found.codes.map(Float.init)) == json["codes"]?.string)
        let offset = Float(try #require(json["offset"]?.double))
        #expect(abs(found.offset - offset) <= offset.ulp)
        var (codes, absmax) = (found.codes, [Float](repeating: 0, count: found.scales.count))
        #expect(ck_nf4_quantize(source.values, found.rows * found.columns, &codes, &absmax) == 0)
        #expect(digestText(absmax) == json["absmax"]?.string)
        let same = NF4Tensor(
            rows: found.rows, columns: found.columns, codes: found.codes, absmax: absmax, offset: offset)
        #expect(digestText(same.scales.map(Float.init)) == json["scales"]?.string)
        #expect(digestText(same.groups) == json["groups"]?.string)
        #expect(digestText(matrix(same).values) == json["output"]?.string)
    }
}
