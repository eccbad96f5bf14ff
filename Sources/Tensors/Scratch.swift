import CKernels

/// Memory that is cut piece by piece: of one worker for one task, or of an arena.
@safe public struct Scratch {
    private var next: UnsafeMutablePointer<Float>
    private var left: Int

    init(_ base: UnsafeMutablePointer<Float>, floats: Int) {
        next = base
        left = floats
    }

    private mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        let rounded = (count + 15) & ~15
        precondition(rounded <= left, "scratch memory is too small by \(rounded - left) floats")
        defer {
            next += rounded
            left -= rounded
        }
        return next
    }

    /// A matrix with arbitrary elements.
    public mutating func matrix(_ rows: Int, _ columns: Int) -> MatrixView {
        MatrixView(base: take(rows * columns), rows: rows, columns: columns, stride: columns)
    }

    /// Room for a packed left operand.
    public mutating func makeRows(rows: Int, columns: Int) -> PackedRows {
        let words = UnsafeMutableRawPointer(take(PackedRows.wordCount(rows: rows, columns: columns)))
        return PackedRows(words: words.assumingMemoryBound(to: UInt32.self), rows: rows, columns: columns)
    }

    /// Room for a packed right operand.
    public mutating func makeColumns(inner: Int, columns: Int) -> PackedColumns {
        let words = UnsafeMutableRawPointer(take(PackedColumns.wordCount(inner: inner, columns: columns)))
        return PackedColumns(words: words.assumingMemoryBound(to: UInt32.self), inner: inner, columns: columns)
    }
}

extension Workers {
    /// The scratch memory of a worker, for the task that it runs.
    public func scratch(_ worker: Int) -> Scratch { Scratch(panel(worker), floats: Self.scratchFloats) }
}

extension Arena {
    /// A piece of this arena to be cut in its turn.
    public func scratch(floats: Int) -> Scratch { Scratch(matrix(1, floats).base, floats: floats) }
}
