internal import COpenMPI

/// Elements travel as the bytes they are in memory: all ranks run on one kind of machine.
extension Communicator {
    /// Hands one rank's values to all ranks.
    /// - Parameters:
    ///   - values: what the root sends; what other ranks pass is ignored, so they may pass `[]`.
    ///   - root: the rank that sends.
    /// - Returns: the root's values.
    /// - Throws: `MPIError`.
    public func broadcast<Element: BitwiseCopyable>(_ values: [Element], from root: Int = 0) throws(MPIError)
        -> [Element]
    {
        guard let handle else {
            precondition(root == 0, "one process alone is rank 0, not \(root)")
            return values
        }
        return try broadcast(values, from: root, isRoot: rank == root, over: handle)
    }

    /// Hands the values of the first rank of each node to all of its ranks.
    /// - Parameter values: what a first rank sends; what others pass is ignored, so they may pass `[]`.
    /// - Returns: the values of this node's first rank.
    /// - Throws: `MPIError`.
    public func broadcastOnNode<Element: BitwiseCopyable>(_ values: [Element]) throws(MPIError) -> [Element] {
        guard let node else { return values }
        return try broadcast(values, from: 0, isRoot: localRank == 0, over: node)
    }

    private func broadcast<Element: BitwiseCopyable>(
        _ values: [Element], from root: Int, isRoot: Bool, over handle: MPI_Comm
    ) throws(MPIError) -> [Element] {
        var count = Int64(values.count)
        try waiting { () throws(MPIError) in
            try check(MPI_Bcast(&count, 1, ompi_int64(), Int32(root), handle), "MPI_Bcast")
        }
        var result = isRoot ? values : Self.zeros(Int(count))
        let outcome: Result<Void, MPIError> = result.withUnsafeMutableBytes { bytes in
            do throws(MPIError) { return .success(try broadcast(bytes, from: root, over: handle)) } catch {
                return .failure(error)
            }
        }
        try outcome.get()
        return result
    }

    /// Puts one rank's bytes in the place of those of all ranks.
    /// - Parameters:
    ///   - bytes: as many on each rank.
    ///   - root: the rank that sends.
    /// - Throws: `MPIError`.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int = 0) throws(MPIError) {
        guard let handle else { return }
        try broadcast(bytes, from: root, over: handle)
    }

    /// Puts the bytes of one rank of a group in the place of those of all of it.
    func broadcast(
        _ bytes: UnsafeMutableRawBufferPointer, from root: Int, over handle: MPI_Comm
    ) throws(MPIError) {
        for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
            let count = Int32(min(Self.pieceBytes, bytes.count - start))
            try waiting { () throws(MPIError) in
                try check(
                    MPI_Bcast(bytes.baseAddress! + start, count, ompi_byte(), Int32(root), handle), "MPI_Bcast")
            }
        }
    }

    /// Collects the values of all ranks, as many from each as it has.
    /// - Returns: the values of each rank, by rank; the same on all ranks.
    /// - Throws: `MPIError`.
    public func allGather<Element: BitwiseCopyable>(_ values: [Element]) throws(MPIError) -> [[Element]] {
        guard let handle else { return [values] }
        let stride = MemoryLayout<Element>.stride
        var byteCounts = [Int64](repeating: 0, count: size)
        var mine = Int64(values.count * stride)
        try waiting { () throws(MPIError) in
            try check(
                MPI_Allgather(&mine, 1, ompi_int64(), &byteCounts, 1, ompi_int64(), handle), "MPI_Allgather")
        }
        var results: [[Element]] = byteCounts.map { Self.zeros(Int($0) / stride) }

        // Pieces of all ranks' values, together at most `pieceBytes`, one MPI call each.
        let piece = max(1, Self.pieceBytes / size)
        let longest = Int(byteCounts.max() ?? 0)
        var arrived = [UInt8](repeating: 0, count: min(piece, longest) * size)
        for start in Swift.stride(from: 0, to: longest, by: piece) {
            let counts = byteCounts.map { Int32(max(0, min(piece, Int($0) - start))) }
            var offsets: [Int32] = [0]
            for count in counts.dropLast() { offsets.append(offsets.last! + count) }
            board.setWaiting(true)
            defer { board.setWaiting(false) }
            let code = values.withUnsafeBytes { sent in
                MPI_Allgatherv(
                    counts[rank] > 0 ? sent.baseAddress! + start : nil, counts[rank], ompi_byte(), &arrived, counts,
                    offsets, ompi_byte(), handle)
            }
            try check(code, "MPI_Allgatherv")
            for other in 0..<size where counts[other] > 0 {
                let range = Int(offsets[other])..<Int(offsets[other] + counts[other])
                results[other].withUnsafeMutableBytes { result in
                    arrived[range].withUnsafeBytes {
                        UnsafeMutableRawBufferPointer(rebasing: result[start...]).copyMemory(from: $0)
                    }
                }
            }
        }
        return results
    }

    /// An array whose bytes are zero, to be filled by MPI.
    private static func zeros<Element: BitwiseCopyable>(_ count: Int) -> [Element] {
        [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).initializeMemory(as: UInt8.self, repeating: 0)
            initialized = count
        }
    }
}
