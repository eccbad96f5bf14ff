#include "dequantize.h"
#include <string.h>
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weight files are little-endian and are read in place"
#endif

// No fused multiply-add: the reference rounds after the product.
#pragma clang fp contract(off)

static inline uint16_t load16(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, 2);
    return bits;
}

// One F16 number. The product with 2^112 moves the exponent, exactly, for subnormal numbers too.
static inline float half_portable(uint16_t bits) {
    uint32_t magnitude = (uint32_t)(bits & 0x7FFF) << 13, sign = (uint32_t)(bits & 0x8000) << 16;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 0x1p112f;
    uint32_t result;
    memcpy(&result, &value, 4);
    if (magnitude >= 0x0F800000) result = magnitude | 0x7F800000 | (magnitude > 0x0F800000 ? 0x00400000 : 0);
    result |= sign;
    memcpy(&value, &result, 4);
    return value;
}

#define HALF(bits) half_portable(bits)
#define NAME(name) name##_portable
#include "dequantize_loops.h"
#undef HALF
#undef NAME

#if defined(__x86_64__)
// One F16 number by the CPU's own instruction; needs a target with F16C.
#define HALF(bits) ((float)((union { uint16_t u; _Float16 f; }){(bits)}).f)

#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#define NAME(name) name##_avx2
#include "dequantize_loops.h"
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c"))), apply_to = function)
#define NAME(name) name##_avx512
#include "dequantize_loops.h"
#undef NAME
#pragma clang attribute pop
#endif

ck_isa ck_best_isa(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("f16c"))
        return CK_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) return CK_AVX2;
#endif
    return CK_PORTABLE;
}

void ck_widen_with(ck_isa isa, ck_format format, const void *row, size_t first, size_t count, float *out) {
#if defined(__x86_64__)
    if (isa == CK_AVX512) { widen_avx512(format, row, first, count, out); return; }
    if (isa == CK_AVX2) { widen_avx2(format, row, first, count, out); return; }
#endif
    (void)isa;
    widen_portable(format, row, first, count, out);
}

void ck_widen(ck_format format, const void *row, size_t first, size_t count, float *out) {
    ck_widen_with(ck_best_isa(), format, row, first, count, out);
}
