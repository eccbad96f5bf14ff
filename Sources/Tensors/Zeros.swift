import Glibc

/// Numbers of which every byte is zero, to be given back by `freeZeros`. Those of a large block take no memory until they are
/// written, so that a plan may hold the state of a run that it does not start.
func makeZeros<Element: BitwiseCopyable>(_ count: Int) -> UnsafeMutableBufferPointer<Element> {
    let block = calloc(max(count, 1), MemoryLayout<Element>.stride)
    precondition(block != nil, "no memory for \(count) numbers of \(MemoryLayout<Element>.stride) bytes")
    return UnsafeMutableBufferPointer(
        start: block!.bindMemory(to: Element.self, capacity: max(count, 1)), count: max(count, 1))
}

/// Gives back what `makeZeros` gave.
func freeZeros<Element: BitwiseCopyable>(_ numbers: UnsafeMutableBufferPointer<Element>) {
    free(numbers.baseAddress)
}
