import KernelSets
import Testing

/// The kernels as one instruction set has them: what is chosen at load time, and every set that this CPU can run.
struct KernelSet: @unchecked Sendable, CustomTestStringConvertible {
    let kernels: ck_kernel_set
    var testDescription: String { String(cString: kernels.name) }

    static let all = (0..<4).compactMap { ck_kernel_set_at($0).map { KernelSet(kernels: $0.pointee) } }
}
