// How kernels are compiled for several instruction sets and chosen at load time.
#pragma once
// ThreadSanitizer cannot run the function that chooses.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif
