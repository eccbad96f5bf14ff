// Weights as they lie in files, widened to float: bit for bit what the `gguf` Python package gives.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum ck_format {
    CK_F32, CK_F16, CK_BF16, CK_Q8_0, CK_Q4_0, CK_Q4_1, CK_Q5_0, CK_Q5_1, CK_Q4_K, CK_Q5_K, CK_Q6_K,
} ck_format;

// Widens elements [first, first + count) of one row that starts at `row` (any alignment) into `out`.
// `first` and `count` must be multiples of the format's block (1, 32 or 256 elements).
// The result does not depend on the CPU: what is chosen at run time changes the speed only.
void ck_widen(ck_format format, const void *row, size_t first, size_t count, float *out);

// The instruction sets that ck_widen chooses from; ck_widen_with uses the given one, which the CPU must have.
typedef enum ck_isa { CK_PORTABLE, CK_AVX2, CK_AVX512 } ck_isa;
ck_isa ck_best_isa(void);
void ck_widen_with(ck_isa isa, ck_format format, const void *row, size_t first, size_t count, float *out);
