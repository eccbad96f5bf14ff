#include "bf16_gemm.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

ck_bf16_isa ck_bf16_best_isa(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq"))
        return __builtin_cpu_supports("avx512bf16") ? CK_BF16_NATIVE : CK_BF16_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CK_BF16_AVX2;
#endif
    return CK_BF16_PORTABLE;
}

#define TILE_ROWS 4
#define NAME(name) name##_portable
#include "bf16_gemm_loops.h"
#undef NAME

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(name) name##_avx2
#include "bf16_gemm_loops.h"
#undef NAME
#pragma clang attribute pop

#undef TILE_ROWS
#define TILE_ROWS 8
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
#define NAME(name) name##_avx512
#include "bf16_gemm_loops.h"
#undef NAME
#pragma clang attribute pop

// One tile of at most 8 × 16·vectors elements of c. `vectors` is a constant where this is inlined.
static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void tile_native(
    const int vectors, const ck_bf16_term *terms, size_t count, size_t row, size_t column, size_t rows, size_t columns,
    float *c, size_t stride, int accumulate) {
    __m512 sum[8][3];
    __mmask16 last = (__mmask16)(0xFFFF >> (16 * vectors - (int)columns));
    if (accumulate) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 8; i++)
#pragma clang loop unroll(full)
            for (int j = 0; j < vectors; j++)
                sum[i][j] = (size_t)i < rows
                    ? _mm512_maskz_loadu_ps(j == vectors - 1 ? last : (__mmask16)0xFFFF, c + i * stride + 16 * j)
                    : _mm512_setzero_ps();
    } else {
#pragma clang loop unroll(full)
        for (int i = 0; i < 8; i++)
#pragma clang loop unroll(full)
            for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_setzero_ps();
    }
    for (size_t t = 0; t < count; t++) {
        const uint32_t *a = terms[t].left + row / 8 * terms[t].left_block;
        const uint32_t *b = terms[t].right + column * terms[t].right_pairs;
        size_t width = ck_bf16_block_width(terms[t].right_lines, column);
        for (size_t p = terms[t].pairs; p > 0; p--, a += 8, b += width) {
            __m512bh right[3];
#pragma clang loop unroll(full)
            for (int j = 0; j < vectors; j++) right[j] = (__m512bh)_mm512_loadu_si512(b + 16 * j);
#pragma clang loop unroll(full)
            for (int i = 0; i < 8; i++) {
                __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[i]);
#pragma clang loop unroll(full)
                for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], left, right[j]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
        if ((size_t)i >= rows) break;
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++)
            _mm512_mask_storeu_ps(c + i * stride + 16 * j, j == vectors - 1 ? last : (__mmask16)0xFFFF, sum[i][j]);
    }
}

__attribute__((target("avx512f,avx512bf16"))) static void gemm_native(
    const ck_bf16_term *terms, size_t count, size_t rows, size_t columns, float *c, size_t stride, int accumulate) {
    for (size_t row = 0; row < rows; row += 8) {
        size_t m = rows - row < 8 ? rows - row : 8;
        for (size_t column = 0; column < columns; column += 48) {
            size_t n = columns - column < 48 ? columns - column : 48;
            float *corner = c + row * stride + column;
            if (n > 32) tile_native(3, terms, count, row, column, m, n, corner, stride, accumulate);
            else if (n > 16) tile_native(2, terms, count, row, column, m, n, corner, stride, accumulate);
            else tile_native(1, terms, count, row, column, m, n, corner, stride, accumulate);
        }
    }
}
#endif

void ck_bf16_gemm(
    ck_bf16_isa isa, const ck_bf16_term *terms, size_t count, size_t rows, size_t columns, float *c, size_t stride,
    int accumulate) {
#if defined(__x86_64__)
    if (isa == CK_BF16_NATIVE) { gemm_native(terms, count, rows, columns, c, stride, accumulate); return; }
    if (isa == CK_BF16_AVX512) { gemm_avx512(terms, count, rows, columns, c, stride, accumulate); return; }
    if (isa == CK_BF16_AVX2) { gemm_avx2(terms, count, rows, columns, c, stride, accumulate); return; }
#endif
    (void)isa;
    gemm_portable(terms, count, rows, columns, c, stride, accumulate);
}
