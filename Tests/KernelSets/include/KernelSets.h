// The kernels that are built for several instruction sets (ck_clones.h), set by set, for tests: the program calls only those that
// are chosen when it is loaded.
#pragma once
#include "CKernels.h"

#define CK_KERNELS(EACH) \
    EACH(dot) EACH(add_scaled) EACH(scale) EACH(max) EACH(round_bf16) EACH(widen_bf16) EACH(rms_norm) EACH(rms_norm_again) \
    EACH(rms_norm_backward) EACH(swiglu) EACH(swiglu_backward) EACH(rotate) EACH(exp_sum) EACH(softmax_backward) \
    EACH(softmax_scores_backward) EACH(adamw_update) EACH(exact_add) \
    EACH(exact_sum_of_squares) EACH(dropout) EACH(dropout_add)

#define CK_MEMBER(kernel) __typeof__(ck_##kernel) *kernel;
typedef struct ck_kernel_set {
    const char *name;
    CK_KERNELS(CK_MEMBER)
} ck_kernel_set;
#undef CK_MEMBER

// 0: what is chosen at load time; from 1 on each set by itself, portable first; NULL behind the best that this CPU has.
const ck_kernel_set *ck_kernel_set_at(int index);
