// Weights as they lie in files, widened to float: bit for bit what the `gguf` Python package gives.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum ck_format {
    CK_F32, CK_F16, CK_BF16, CK_Q8_0, CK_Q4_0, CK_Q4_1, CK_Q5_0, CK_Q5_1, CK_Q4_K, CK_Q5_K, CK_Q6_K,
} ck_format;

// Widens elements [first, first + count) of one row that starts at `row` (any alignment) into `out`.
// `first` and `count` must be multiples of the format's block (1, 32 or 256 elements).
void ck_widen(ck_format format, const void *row, size_t first, size_t count, float *out);
