// Block layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
// Order of operations: gguf-py's quants.py, in float with every product and sum rounded by itself.
#include "dequantize.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weight files are little-endian and are read in place"
#endif

#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))

INLINE uint16_t load16(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, 2);
    return bits;
}

// One F16 number. The product with 2^112 moves the exponent, exactly, for subnormal numbers too.
INLINE float half(uint16_t bits) {
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

INLINE void widen_f16(const uint8_t *restrict in, size_t count, float *restrict out) {
    for (size_t i = 0; i < count; i++) out[i] = half(load16(in + 2 * i));
}

INLINE void widen_bf16(const uint8_t *restrict in, size_t count, float *restrict out) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)load16(in + 2 * i) << 16;
        memcpy(out + i, &bits, 4);
    }
}

// d, 32 signed bytes.
INLINE void widen_q8_0(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 34, out += 32) {
        float d = half(load16(in));
        const int8_t *q = (const int8_t *)in + 2;
        for (int i = 0; i < 32; i++) out[i] = d * (float)q[i];
    }
}

// d, 16 bytes: low nibbles are elements 0…15, high ones 16…31.
INLINE void widen_q4_0(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 18, out += 32) {
        float d = half(load16(in));
        const uint8_t *q = in + 2;
        for (int i = 0; i < 16; i++) out[i] = d * (float)((int)(q[i] & 15) - 8);
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)((int)(q[i] >> 4) - 8);
    }
}

// d, m, nibbles as Q4_0.
INLINE void widen_q4_1(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 20, out += 32) {
        float d = half(load16(in)), m = half(load16(in + 2));
        const uint8_t *q = in + 4;
        for (int i = 0; i < 16; i++) out[i] = d * (float)(q[i] & 15) + m;
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)(q[i] >> 4) + m;
    }
}

// d, 32 fifth bits, nibbles as Q4_0.
INLINE void widen_q5_0(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 22, out += 32) {
        float d = half(load16(in));
        uint32_t high;
        memcpy(&high, in + 2, 4);
        const uint8_t *q = in + 6;
        for (int i = 0; i < 16; i++) out[i] = d * (float)((int)((q[i] & 15) | (high >> i & 1) << 4) - 16);
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)((int)((q[i] >> 4) | (high >> (16 + i) & 1) << 4) - 16);
    }
}

// d, m, 32 fifth bits, nibbles as Q4_0.
INLINE void widen_q5_1(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 24, out += 32) {
        float d = half(load16(in)), m = half(load16(in + 2));
        uint32_t high;
        memcpy(&high, in + 4, 4);
        const uint8_t *q = in + 8;
        for (int i = 0; i < 16; i++) out[i] = d * (float)(int)((q[i] & 15) | (high >> i & 1) << 4) + m;
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)(int)((q[i] >> 4) | (high >> (16 + i) & 1) << 4) + m;
    }
}

// The 6-bit scale and minimum of each of the 8 sub-blocks of Q4_K and Q5_K, packed in 12 bytes.
INLINE void unpack_scales(const uint8_t *in, uint8_t *scales, uint8_t *minima) {
    for (int i = 0; i < 4; i++) {
        scales[i] = in[i] & 0x3F;
        minima[i] = in[4 + i] & 0x3F;
        scales[4 + i] = (in[8 + i] & 0x0F) | (in[i] >> 2 & 0x30);
        minima[4 + i] = in[8 + i] >> 4 | (in[4 + i] >> 2 & 0x30);
    }
}

// d, dmin, 12 bytes of scales, 4 × 32 bytes: low nibbles are sub-block 2c, high ones 2c + 1.
INLINE void widen_q4_k(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 144) {
        float d = half(load16(in)), dmin = half(load16(in + 2));
        uint8_t scales[8], minima[8];
        unpack_scales(in + 4, scales, minima);
        const uint8_t *q = in + 16;
        for (int c = 0; c < 4; c++, q += 32, out += 64) {
            float low = d * (float)scales[2 * c], lowMin = dmin * (float)minima[2 * c];
            float high = d * (float)scales[2 * c + 1], highMin = dmin * (float)minima[2 * c + 1];
            for (int i = 0; i < 32; i++) out[i] = low * (float)(q[i] & 15) - lowMin;
            for (int i = 0; i < 32; i++) out[32 + i] = high * (float)(q[i] >> 4) - highMin;
        }
    }
}

// d, dmin, 12 bytes of scales, 32 bytes with bit s the fifth bit of sub-block s, nibbles as Q4_K.
INLINE void widen_q5_k(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 176) {
        float d = half(load16(in)), dmin = half(load16(in + 2));
        uint8_t scales[8], minima[8];
        unpack_scales(in + 4, scales, minima);
        const uint8_t *fifth = in + 16, *q = in + 48;
        for (int c = 0; c < 4; c++, q += 32, out += 64) {
            float low = d * (float)scales[2 * c], lowMin = dmin * (float)minima[2 * c];
            float high = d * (float)scales[2 * c + 1], highMin = dmin * (float)minima[2 * c + 1];
            for (int i = 0; i < 32; i++)
                out[i] = low * (float)((q[i] & 15) | (fifth[i] >> (2 * c) & 1) << 4) - lowMin;
            for (int i = 0; i < 32; i++)
                out[32 + i] = high * (float)((q[i] >> 4) | (fifth[i] >> (2 * c + 1) & 1) << 4) - highMin;
        }
    }
}

// 2 × 64 bytes of low nibbles, 2 × 32 bytes of upper bit pairs, 16 signed scales (one per 16 elements), d.
INLINE void widen_q6_k(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 210) {
        float d = half(load16(in + 208));
        const int8_t *scales = (const int8_t *)in + 192;
        for (int h = 0; h < 2; h++) {
            const uint8_t *low = in + 64 * h, *high = in + 128 + 32 * h;
            for (int g = 0; g < 4; g++) {
                const uint8_t *q = low + 32 * (g & 1);
                int shift = g < 2 ? 0 : 4;
                for (int s = 0; s < 2; s++, out += 16) {
                    float scale = d * (float)scales[8 * h + 2 * g + s];
                    for (int i = 16 * s, j = 0; j < 16; i++, j++)
                        out[j] = scale * (float)((int)((q[i] >> shift & 15) | (high[i] >> (2 * g) & 3) << 4) - 32);
                }
            }
        }
    }
}

INLINE void widen(ck_format format, const uint8_t *row, size_t first, size_t count, float *out) {
    switch (format) {
    case CK_F32: memcpy(out, row + 4 * first, 4 * count); break;
    case CK_F16: widen_f16(row + 2 * first, count, out); break;
    case CK_BF16: widen_bf16(row + 2 * first, count, out); break;
    case CK_Q8_0: widen_q8_0(row + first / 32 * 34, count / 32, out); break;
    case CK_Q4_0: widen_q4_0(row + first / 32 * 18, count / 32, out); break;
    case CK_Q4_1: widen_q4_1(row + first / 32 * 20, count / 32, out); break;
    case CK_Q5_0: widen_q5_0(row + first / 32 * 22, count / 32, out); break;
    case CK_Q5_1: widen_q5_1(row + first / 32 * 24, count / 32, out); break;
    case CK_Q4_K: widen_q4_k(row + first / 256 * 144, count / 256, out); break;
    case CK_Q5_K: widen_q5_k(row + first / 256 * 176, count / 256, out); break;
    case CK_Q6_K: widen_q6_k(row + first / 256 * 210, count / 256, out); break;
    }
}

static void widen_portable(ck_format format, const uint8_t *row, size_t first, size_t count, float *out) {
    widen(format, row, first, count, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c")))
static void widen_avx2(ck_format format, const uint8_t *row, size_t first, size_t count, float *out) {
    if (format == CK_F16) {
        const uint8_t *in = row + 2 * first;
        for (; count >= 8; count -= 8, in += 16, out += 8)
            _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)in)));
        widen_f16(in, count, out);
    } else {
        widen(format, row, first, count, out);
    }
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c")))
static void widen_avx512(ck_format format, const uint8_t *row, size_t first, size_t count, float *out) {
    if (format == CK_F16) {
        const uint8_t *in = row + 2 * first;
        for (; count >= 16; count -= 16, in += 32, out += 16)
            _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)in)));
        widen_f16(in, count, out);
    } else {
        widen(format, row, first, count, out);
    }
}
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
