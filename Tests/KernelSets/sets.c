#include "KernelSets.h"
#include <stddef.h>

#define CHOSEN(kernel) ck_##kernel,
static const ck_kernel_set chosen = {"chosen at load time", CK_KERNELS(CHOSEN)};

#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
// The names that the compiler gives to the functions behind one with target_clones: set and place in the attribute's list.
#define DECLARE(kernel) \
    __typeof__(ck_##kernel) kernel##_portable __asm__("ck_" #kernel ".default.2"), \
        kernel##_v3 __asm__("ck_" #kernel ".arch_x86-64-v3.1"), kernel##_v4 __asm__("ck_" #kernel ".arch_x86-64-v4.0");
CK_KERNELS(DECLARE)

#define PORTABLE(kernel) kernel##_portable,
#define V3(kernel) kernel##_v3,
#define V4(kernel) kernel##_v4,
static const ck_kernel_set portable = {"portable", CK_KERNELS(PORTABLE)};
static const ck_kernel_set v3 = {"x86-64-v3", CK_KERNELS(V3)};
static const ck_kernel_set v4 = {"x86-64-v4", CK_KERNELS(V4)};
#endif

const ck_kernel_set *ck_kernel_set_at(int index) {
    if (index == 0) return &chosen;
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
    if (index == 1) return &portable;
    if (index == 2 && __builtin_cpu_supports("x86-64-v3")) return &v3;
    if (index == 3 && __builtin_cpu_supports("x86-64-v4")) return &v4;
#endif
    return NULL;
}
