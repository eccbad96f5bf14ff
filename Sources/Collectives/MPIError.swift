internal import COpenMPI

/// A call of the MPI library that failed.
public struct MPIError: Error, CustomStringConvertible, Sendable {
    /// The call, for example `MPI_Allreduce`.
    public let call: String
    /// The code that it returned.
    public let code: Int
    /// What the library says about the code.
    public let text: String

    public var description: String { "\(call) failed with code \(code): \(text)" }
}

/// Turns the return code of an MPI call into a thrown error; only between the start and the finish of MPI.
/// - Throws: `MPIError` unless the code is `MPI_SUCCESS`.
func check(_ code: Int32, _ call: String) throws(MPIError) {
    guard code != MPI_SUCCESS else { return }
    var length: Int32 = 0
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1) { buffer in
        buffer.initialize(repeating: 0)
        let described = MPI_Error_string(code, buffer.baseAddress, &length) == MPI_SUCCESS && length > 0
        return described ? String(cString: buffer.baseAddress!) : "the MPI library has no text for this code"
    }
    throw MPIError(call: call, code: Int(code), text: text)
}
