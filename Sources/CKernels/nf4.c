#include "nf4.h"
#include "ck_clones.h"
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// No fused multiply-add: the reference rounds after the product.
#pragma clang fp contract(off)

const float ck_nf4_levels[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

void ck_nf4_scale_map(float map[256]) {
    // Decade i, from 10^(i-6) / 10 to 10^(i-6), is cut into 2^i equal parts whose middles are values, and their negatives.
    int low = 127, high = 128;
    map[low] = 0;
    for (int i = 0; i < 7; i++) {
        int parts = 1 << i;
        float step = (1.0f - 0.1f) / (float)parts, decade = (float)pow(10, i - 6);
        for (int part = 0; part < parts; part++) {
            float bounds[2];
            for (int side = 0; side < 2; side++) {
                int k = part + side;
                // Rounded once, from either end, as the reference's library does.
                bounds[side] =
                    k < (parts + 1) / 2 ? fmaf(step, (float)k, 0.1f) : fmaf(-step, (float)(parts - k), 1.0f);
            }
            float value = decade * ((bounds[0] + bounds[1]) / 2.0f);
            map[high++] = value;
            map[--low] = -value;
        }
    }
    map[high] = 1;
}

// MARK: Widening

static float scale_of(const ck_nf4 *tensor, size_t block) {
    float scale;
    if (!tensor->scales) {
        memcpy(&scale, (const char *)tensor->groups + 4 * block, 4);
        return scale;
    }
    memcpy(&scale, (const char *)tensor->groups + 4 * (block / CK_NF4_GROUP), 4);
    float product = tensor->map[tensor->scales[block]] * scale;
    return product + tensor->offset;
}

// Elements [first, first + count) of one block, in any place.
static void widen_some(const ck_nf4 *tensor, size_t first, size_t count, float *out) {
    float scale = scale_of(tensor, first / CK_NF4_BLOCK);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = tensor->codes[(first + i) / 2];
        out[i] = ck_nf4_levels[(first + i) % 2 ? byte & 15 : byte >> 4] * scale;
    }
}

static void block_portable(const uint8_t *restrict codes, const float *restrict levels, float *restrict out) {
    for (int i = 0; i < CK_NF4_BLOCK / 2; i++) {
        out[2 * i] = levels[codes[i] >> 4];
        out[2 * i + 1] = levels[codes[i] & 15];
    }
}

#if defined(__x86_64__)
// 8 bytes as 16 numbers of 8 bits, in the order of the elements.
__attribute__((target("avx2"))) static inline __m128i split(const uint8_t *codes) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)codes), mask = _mm_set1_epi8(15);
    return _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), _mm_and_si128(bytes, mask));
}

__attribute__((target("avx2"))) static void block_avx2(const uint8_t *codes, const float *levels, float *out) {
    __m256 low = _mm256_loadu_ps(levels), high = _mm256_loadu_ps(levels + 8);
    for (int i = 0; i < CK_NF4_BLOCK; i += 16) {
        __m128i numbers = split(codes + i / 2);
        for (int half = 0; half < 2; half++) {
            __m256i index = _mm256_cvtepu8_epi32(half ? _mm_srli_si128(numbers, 8) : numbers);
            __m256 isHigh = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
            _mm256_storeu_ps(
                out + i + 8 * half,
                _mm256_blendv_ps(
                    _mm256_permutevar8x32_ps(low, index), _mm256_permutevar8x32_ps(high, index), isHigh));
        }
    }
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2"))) static void block_avx512(
    const uint8_t *codes, const float *levels, float *out) {
    __m512 table = _mm512_loadu_ps(levels);
    for (int i = 0; i < CK_NF4_BLOCK; i += 16)
        _mm512_storeu_ps(out + i, _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(split(codes + i / 2)), table));
}
#endif

void ck_nf4_widen_with(ck_isa isa, const ck_nf4 *tensor, size_t first, size_t count, float *out) {
    size_t end = first + count;
    while (first < end) {
        size_t next = (first / CK_NF4_BLOCK + 1) * CK_NF4_BLOCK;
        size_t n = (next < end ? next : end) - first;
        if (n < CK_NF4_BLOCK) {
            widen_some(tensor, first, n, out);
        } else {
            // A level times the scale is the same number wherever it stands.
            float scale = scale_of(tensor, first / CK_NF4_BLOCK), levels[16];
            for (int i = 0; i < 16; i++) levels[i] = ck_nf4_levels[i] * scale;
            const uint8_t *codes = tensor->codes + first / 2;
#if defined(__x86_64__)
            if (isa == CK_AVX512)
                block_avx512(codes, levels, out);
            else if (isa == CK_AVX2)
                block_avx2(codes, levels, out);
            else
#endif
                block_portable(codes, levels, out);
        }
        first += n;
        out += n;
    }
    (void)isa;
}

void ck_nf4_widen(const ck_nf4 *tensor, size_t first, size_t count, float *out) {
    ck_nf4_widen_with(ck_best_isa(), tensor, first, count, out);
}

// MARK: Quantising

// The levels of `count` elements, the lower of two that are as near: the number of middles between levels that lie below.
CK_CLONES static void nearest(const float *restrict x, int count, float absmax, uint8_t *restrict levels) {
    float scaled[CK_NF4_BLOCK];
    int32_t found[CK_NF4_BLOCK] = {0};
    // The reference divides in a block that is not full, and multiplies by the reciprocal in all others.
    float factor = 1.0f / absmax;
    for (int i = 0; i < CK_NF4_BLOCK; i++) {
        float value = i < count ? x[i] : 0;
        value = count < CK_NF4_BLOCK ? value / absmax : value * factor;
        scaled[i] = value > 1 ? 1 : value < -1 ? -1 : value;
    }
    for (int level = 0; level < 15; level++) {
        float middle = (ck_nf4_levels[level] + ck_nf4_levels[level + 1]) / 2;
        for (int i = 0; i < CK_NF4_BLOCK; i++) found[i] += scaled[i] > middle;
    }
    for (int i = 0; i < count; i++) levels[i] = (uint8_t)found[i];
}

int ck_nf4_quantize(const float *x, size_t count, uint8_t *codes, float *absmax) {
    const float least = 1e-38f;
    int isWrong = 0;
    for (size_t start = 0; start < count; start += CK_NF4_BLOCK) {
        int n = (int)(count - start < CK_NF4_BLOCK ? count - start : CK_NF4_BLOCK);
        float most = 0;
        for (int i = 0; i < n; i++) {
            float magnitude = fabsf(x[start + i]);
            isWrong |= !(magnitude < INFINITY);
            most = magnitude > most ? magnitude : most;
        }
        float divisor = most > least ? most : least;
        absmax[start / CK_NF4_BLOCK] = n < CK_NF4_BLOCK ? divisor : most;
        uint8_t levels[CK_NF4_BLOCK + 1];
        nearest(x + start, n, divisor, levels);
        // What fills up the last byte is a zero.
        levels[n] = 7;
        for (int i = 0; i < n; i += 2) codes[(start + (size_t)i) / 2] = (uint8_t)(levels[i] << 4 | levels[i + 1]);
    }
    return isWrong;
}

void ck_nf4_quantize_scales(
    const float *absmax, size_t count, float offset, const float map[256], uint8_t *codes, float *groups) {
    for (size_t start = 0; start < count; start += CK_NF4_GROUP) {
        size_t end = count - start < CK_NF4_GROUP ? count : start + CK_NF4_GROUP;
        float most = 0;
        for (size_t i = start; i < end; i++) most = fmaxf(most, fabsf(absmax[i] - offset));
        groups[start / CK_NF4_GROUP] = most;
        for (size_t i = start; i < end; i++) {
            if (most == 0) {
                codes[i] = 0;
                continue;
            }
            // The reference looks values up in a table of 65,536 places from -1 to 1, each with the number nearest to its middle.
            float value = (absmax[i] - offset) / most;
            int place = (int)((value + 1.0f) * 32767.5f + 0.5f);
            double middle = (place < 0 ? 0 : place > 65535 ? 65535 : place) / 32767.5 - 1;
            // The number of middles between values of the map that lie below.
            int low = 0, high = 255;
            while (low < high) {
                int k = (low + high) / 2;
                float bound = (map[k] + map[k + 1]) / 2;
                if (bound < middle) low = k + 1; else high = k;
            }
            codes[i] = (uint8_t)low;
        }
    }
}
