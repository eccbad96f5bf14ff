import Glibc

/// Numbers of which every byte is zero, to be given back by `freeZeros`. No page of them takes memory before it is written, nor is
/// any promised (but where vm.overcommit_memory is 2): a plan may hold the state of a run that this machine could not.
func makeZeros<Element: BitwiseCopyable>(_ count: Int) -> UnsafeMutableBufferPointer<Element> {
    let count = max(count, 1)
    let block = mmap(
        nil, count * MemoryLayout<Element>.stride, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let block, block != MAP_FAILED else {
        fatalError(
            "no addresses for \(count) numbers of \(MemoryLayout<Element>.stride) bytes: \(String(cString: strerror(errno)))"
        )
    }
    return UnsafeMutableBufferPointer(start: block.bindMemory(to: Element.self, capacity: count), count: count)
}

/// Gives back what `makeZeros` gave.
func freeZeros<Element: BitwiseCopyable>(_ numbers: UnsafeMutableBufferPointer<Element>) {
    munmap(numbers.baseAddress, numbers.count * MemoryLayout<Element>.stride)
}
