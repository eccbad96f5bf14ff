import COpenBLAS
import Synchronization

/// OpenBLAS with one thread for each of its calls: how many threads it has decides how it cuts a product, and so its last bits. All
/// parallel work is cut by `Workers`.
enum OpenBLAS {
    private static let lock = Mutex(())

    /// To be called before any routine of OpenBLAS, by the thread that calls it: builds over OpenMP keep the number of threads for each
    /// thread, others for the process. It acts once in the life of a thread.
    static func takeOneThread() {
        if openblas_is_new_thread() { lock.withLock { _ in openblas_set_num_threads(1) } }
    }
}

/// What OpenBLAS says of itself: version and the kernels it chose for this CPU.
public func openBLASDescription() -> String {
    String(cString: openblas_get_config()) + " core " + String(cString: openblas_get_corename())
}
