internal import COpenMPI

extension Communicator {
    /// Waits until all ranks are here.
    /// - Returns: the seconds that this rank waited for the last one.
    /// - Throws: `MPIError`.
    @discardableResult
    public func barrier() throws(MPIError) -> Double {
        guard let handle else { return 0 }
        let begin = MPI_Wtime()
        try waiting { () throws(MPIError) in try check(MPI_Barrier(handle), "MPI_Barrier") }
        return MPI_Wtime() - begin
    }

    /// Adds integers over all ranks, element by element, wrapping on overflow; each rank then holds the sums.
    ///
    /// Integer sums are the same bits in whatever order MPI adds, for any number of ranks.
    /// - Parameter values: as many on each rank.
    /// - Returns: the seconds that this rank waited for the last one before the sum began.
    /// - Throws: `MPIError`.
    @discardableResult
    public func allReduceExact(_ values: UnsafeMutableBufferPointer<Int64>) throws(MPIError) -> Double {
        let secondsWaiting = try barrier()
        try reduce(values, ompi_int64(), ompi_sum())
        return secondsWaiting
    }

    /// Adds floats over all ranks, element by element, in MPI's order: the last bits depend on the number of ranks. What exact sums
    /// are compared with.
    /// - Parameter values: as many on each rank.
    /// - Throws: `MPIError`.
    public func allReducePlain(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError) {
        try reduce(values, ompi_float(), ompi_sum())
    }

    /// Adds integers over all ranks, element by element, wrapping on overflow.
    /// - Parameter values: as many on each rank; then the sums.
    /// - Throws: `MPIError`.
    public func allReduceSum(_ values: inout [Int64]) throws(MPIError) {
        try reduceArray(&values, ompi_int64(), ompi_sum())
    }

    /// Takes the largest over all ranks, element by element.
    /// - Parameter values: as many on each rank; then the largest.
    /// - Throws: `MPIError`.
    public func allReduceMax(_ values: inout [Int64]) throws(MPIError) {
        try reduceArray(&values, ompi_int64(), ompi_max())
    }

    /// Takes the largest over all ranks, element by element. What becomes of a NaN depends on the ranks' order: test
    /// for it before.
    /// - Parameter values: as many on each rank; then the largest.
    /// - Throws: `MPIError`.
    public func allReduceMax(_ values: inout [Double]) throws(MPIError) {
        try reduceArray(&values, ompi_double(), ompi_max())
    }

    private func reduceArray<Element: BitwiseCopyable>(
        _ values: inout [Element], _ type: MPI_Datatype?, _ operation: MPI_Op?
    ) throws(MPIError) {
        guard handle != nil else { return }
        let result: Result<Void, MPIError> = values.withUnsafeMutableBufferPointer { buffer in
            do throws(MPIError) {
                return .success(try reduce(buffer, type, operation))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func reduce<Element: BitwiseCopyable>(
        _ values: UnsafeMutableBufferPointer<Element>, _ type: MPI_Datatype?, _ operation: MPI_Op?
    ) throws(MPIError) {
        guard let handle else { return }
        let piece = Self.pieceBytes / MemoryLayout<Element>.stride
        for start in stride(from: 0, to: values.count, by: piece) {
            let count = min(piece, values.count - start)
            try waiting { () throws(MPIError) in
                try check(
                    MPI_Allreduce(
                        ompi_in_place(), values.baseAddress! + start, Int32(count), type, operation, handle),
                    "MPI_Allreduce")
            }
        }
    }
}
