import CKernels

/// Numbers one by one, as files of weights keep them.
public enum PlainFormat: Sendable { case f32, f16, bf16 }

extension StoredMatrix {
    /// Rows as bytes of plain numbers, rounded to the nearest, ties to even.
    /// - Parameters:
    ///   - range: the rows.
    ///   - format: of the result.
    ///   - workers: share the rows.
    /// - Returns: row after row.
    public func bytes(rows range: Range<Int>, as format: PlainFormat, on workers: Workers) -> [UInt8] {
        let size = format == .f32 ? 4 : 2
        let columns = columns
        return [UInt8](unsafeUninitializedCapacity: range.count * columns * size) { out, count in
            nonisolated(unsafe) let base = UnsafeMutableRawPointer(out.baseAddress!)
            workers.rows(range.count, grain: max(1, 65_536 / max(columns, 1))) { rows, _ in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { floats in
                    let floats = floats.baseAddress!
                    for row in rows {
                        let source = range.lowerBound + row
                        let target = base + row * columns * size
                        if format == .f32 {
                            let target = target.assumingMemoryBound(to: Float.self)
                            widen(rows: source..<source + 1, columns: 0..<columns, into: target, stride: columns)
                            continue
                        }
                        widen(rows: source..<source + 1, columns: 0..<columns, into: floats, stride: columns)
                        let halves = target.assumingMemoryBound(to: UInt16.self)
                        if format == .bf16 {
                            ck_round_bf16(floats, halves, columns)
                        } else {
                            for i in 0..<columns { halves[i] = Float16(floats[i]).bitPattern }
                        }
                    }
                }
            }
            count = range.count * columns * size
        }
    }
}
