import COpenBLAS

/// OpenBLAS with one thread for each of its calls: how many threads it has decides how it cuts a product, and so its last bits. All
/// parallel work is cut by `Workers`.
enum OpenBLAS {
    private static let isOnOneThread: Bool = {
        openblas_set_num_threads(1)
        return openblas_get_num_threads() == 1
    }()

    /// To be called before any routine of OpenBLAS; it acts once in the life of the process.
    static func takeOneThread() {
        precondition(isOnOneThread, "OpenBLAS does not keep to one thread")
    }
}

/// What OpenBLAS says of itself: version and the kernels it chose for this CPU.
public func openBLASDescription() -> String {
    String(cString: openblas_get_config()) + " core " + String(cString: openblas_get_corename())
}
