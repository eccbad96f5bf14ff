import COpenBLAS
import Foundation
import Synchronization

/// OpenBLAS with one thread for each of its calls: how many threads it has decides how it cuts a product, and so its last bits. All
/// parallel work is cut by `Workers`.
enum OpenBLAS {
    private static let lock = Mutex(())
    /// OpenMP's own setting for the calling thread, where OpenBLAS is built over OpenMP: some versions go by that alone.
    private static let setOpenMPThreads: (@convention(c) (Int32) -> Void)? = {
        guard openblas_get_parallel() == OPENBLAS_OPENMP, let symbol = dlsym(nil, "omp_set_num_threads") else {
            return nil
        }
        return unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Void).self)
    }()

    /// To be called before any routine of OpenBLAS, by the thread that calls it: builds over OpenMP keep the number of threads for each
    /// thread, others for the process.
    static func takeOneThread() {
        guard thread_is_unheld() else { return }
        lock.withLock { _ in
            setOpenMPThreads?(1)
            openblas_set_num_threads(1)
        }
    }
}

/// What OpenBLAS says of itself: version and the kernels it chose for this CPU.
public func openBLASDescription() -> String {
    String(cString: openblas_get_config()) + " core " + String(cString: openblas_get_corename())
}
