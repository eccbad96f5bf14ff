#include "bf16_gemm.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

size_t ck_bf16_words(size_t pairs, size_t lines, size_t width) {
    size_t unit = width == CK_BF16_RIGHT ? 16 : width;
    return pairs * ((lines + unit - 1) / unit * unit);
}

// Words between the pairs of the block that holds `line`.
static inline size_t block_width(const ck_bf16_place *to, size_t line) {
    if (to->width == CK_BF16_LEFT) return CK_BF16_LEFT;
    return ck_bf16_block_width(to->lines, line / CK_BF16_RIGHT * CK_BF16_RIGHT);
}

// The word of a line's pair 0; those of further pairs follow at distances of block_width.
static inline uint32_t *line_start(const ck_bf16_place *to, size_t line) {
    return to->words + line / to->width * to->width * to->pairs + line % to->width;
}

// Lines that memory is kept for.
static inline size_t padded_lines(const ck_bf16_place *to) {
    size_t unit = to->width == CK_BF16_RIGHT ? 16 : to->width;
    return (to->lines + unit - 1) / unit * unit;
}

static inline uint16_t rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline uint16_t element(const void *row, int is_bf16, float scale, size_t i) {
    if (is_bf16) {
        uint16_t bits;
        memcpy(&bits, (const char *)row + 2 * i, 2);
        return bits;
    }
    float value;
    memcpy(&value, (const char *)row + 4 * i, 4);
    return rounded(value * scale);
}

static void across_portable(
    const void *const *rows, size_t count, int is_bf16, size_t length, float scale, ck_bf16_place to, size_t first,
    size_t pair) {
    size_t lines = padded_lines(&to) - first < 16 ? padded_lines(&to) - first : 16;
    for (size_t i = 0; i < lines; i++) {
        size_t width = block_width(&to, first + i);
        uint32_t *out = line_start(&to, first + i) + pair * width;
        for (size_t p = 0; p < (length + 1) / 2; p++) {
            uint32_t low = i < count ? element(rows[i], is_bf16, scale, 2 * p) : 0;
            uint32_t high = i < count && 2 * p + 1 < length ? element(rows[i], is_bf16, scale, 2 * p + 1) : 0;
            out[p * width] = low | high << 16;
        }
    }
}

static void along_portable(
    const void *first, const void *second, int is_bf16, float scale, ck_bf16_place to, size_t pair) {
    for (size_t i = 0; i < padded_lines(&to); i++) {
        uint32_t low = i < to.lines ? element(first, is_bf16, scale, i) : 0;
        uint32_t high = i < to.lines && second ? element(second, is_bf16, scale, i) : 0;
        line_start(&to, i)[pair * block_width(&to, i)] = low | high << 16;
    }
}

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"))), apply_to = function)

// Up to 32 floats from p, rounded; those from `n` on are zero.
static inline __attribute__((always_inline)) __m512i load_floats(const float *p, size_t n, __m512 scale) {
    __m512 low, high;
    if (n >= 32) {
        low = _mm512_loadu_ps(p);
        high = _mm512_loadu_ps(p + 16);
    } else {
        uint32_t mask = (1u << n) - 1;
        low = _mm512_maskz_loadu_ps((__mmask16)mask, p);
        high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), p + 16);
    }
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, scale), _mm512_mul_ps(low, scale));
}

static inline __attribute__((always_inline)) __m512i load_bf16(const uint16_t *p, size_t n) {
    return n >= 32 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16((1u << n) - 1, p);
}

// A square of 16 rows of 16 words, turned over.
static inline __attribute__((always_inline)) void transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        __m512i a = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        __m512i c = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD), d = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
        t[i] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[i + 8] = _mm512_shuffle_i32x4(a, b, 0xDD);
        t[i + 12] = _mm512_shuffle_i32x4(c, d, 0xDD);
    }
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

static void across_native(
    const void *const *rows, size_t count, int is_bf16, size_t length, float scale, ck_bf16_place to, size_t first,
    size_t pair) {
    size_t width = block_width(&to, first);
    uint32_t *low = line_start(&to, first) + pair * width;
    // The second half of 16 lines is in the next block where blocks are 8 wide; it may not exist there.
    uint32_t *high = first + 8 < padded_lines(&to) ? line_start(&to, first + 8) + pair * width : NULL;
    __m512 factor = _mm512_set1_ps(scale);
    for (size_t k = 0; k < length; k += 32) {
        size_t n = length - k < 32 ? length - k : 32, words = (n + 1) / 2;
        __m512i r[16];
#pragma clang loop unroll(full)
        for (size_t i = 0; i < 16; i++) {
            if (i >= count) r[i] = _mm512_setzero_si512();
            else if (is_bf16) r[i] = load_bf16((const uint16_t *)rows[i] + k, n);
            else r[i] = load_floats((const float *)rows[i] + k, n, factor);
        }
        transpose(r);
        if (words == 16 && high) {
#pragma clang loop unroll(full)
            for (size_t p = 0; p < 16; p++) {
                _mm256_storeu_si256((__m256i *)(low + p * width), _mm512_castsi512_si256(r[p]));
                _mm256_storeu_si256((__m256i *)(high + p * width), _mm512_extracti64x4_epi64(r[p], 1));
            }
        } else {
            __m512i rest[16];
            for (size_t p = 0; p < 16; p++) rest[p] = r[p];
            for (size_t p = 0; p < words; p++) {
                _mm256_storeu_si256((__m256i *)(low + p * width), _mm512_castsi512_si256(rest[p]));
                if (high) _mm256_storeu_si256((__m256i *)(high + p * width), _mm512_extracti64x4_epi64(rest[p], 1));
            }
        }
        low += 16 * width;
        if (high) high += 16 * width;
    }
}

// 16 elements of two rows as 16 pairs; those from `n` on are zero.
static inline __attribute__((always_inline)) __m512i interleave(
    const void *first, const void *second, int is_bf16, __m512 factor, size_t i, size_t n) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __mmask16 mask = n >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << n) - 1), other = second ? mask : 0;
    if (!second) second = first;
    __m512i both;
    if (is_bf16) {
        __m256i a = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)first + i);
        __m256i b = _mm256_maskz_loadu_epi16(other, (const uint16_t *)second + i);
        both = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
    } else {
        __m512 a = _mm512_maskz_loadu_ps(mask, (const float *)first + i);
        __m512 b = _mm512_maskz_loadu_ps(other, (const float *)second + i);
        both = (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(b, factor), _mm512_mul_ps(a, factor));
    }
    return _mm512_permutexvar_epi16(order, both);
}

static void along_native(
    const void *first, const void *second, int is_bf16, float scale, ck_bf16_place to, size_t pair) {
    __m512 factor = _mm512_set1_ps(scale);
    if (to.width == CK_BF16_LEFT) {
        uint32_t *out = to.words + 8 * pair;
        for (size_t i = 0; i < to.lines; i += 16, out += 16 * to.pairs) {
            __m512i pairs = interleave(first, second, is_bf16, factor, i, to.lines - i);
            _mm256_storeu_si256((__m256i *)out, _mm512_castsi512_si256(pairs));
            if (i + 8 < to.lines)
                _mm256_storeu_si256((__m256i *)(out + 8 * to.pairs), _mm512_extracti64x4_epi64(pairs, 1));
        }
        return;
    }
    for (size_t start = 0; start < to.lines; start += CK_BF16_RIGHT) {
        size_t width = block_width(&to, start);
        uint32_t *out = to.words + start * to.pairs + pair * width;
        for (size_t i = 0; i < width; i += 16)
            _mm512_storeu_si512(out + i, interleave(first, second, is_bf16, factor, start + i, to.lines - start - i));
    }
}
#pragma clang attribute pop
#endif

void ck_bf16_pack_across(
    ck_bf16_isa isa, const void *const *rows, size_t count, int is_bf16, size_t length, float scale, ck_bf16_place to,
    size_t first, size_t pair) {
#if defined(__x86_64__)
    if (isa == CK_BF16_NATIVE) { across_native(rows, count, is_bf16, length, scale, to, first, pair); return; }
#endif
    (void)isa;
    across_portable(rows, count, is_bf16, length, scale, to, first, pair);
}

void ck_bf16_pack_along(
    ck_bf16_isa isa, const void *first, const void *second, int is_bf16, float scale, ck_bf16_place to, size_t pair) {
#if defined(__x86_64__)
    if (isa == CK_BF16_NATIVE) { along_native(first, second, is_bf16, scale, to, pair); return; }
#endif
    (void)isa;
    along_portable(first, second, is_bf16, scale, to, pair);
}
