#include "random.h"
#include "ck_clones.h"

static inline __attribute__((always_inline)) void philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0,
                                                         uint32_t k1, uint32_t out[4]) {
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0, n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void ck_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out);
}

CK_CLONES void ck_dropout(const float *x, float *y, size_t n, const uint32_t counter[4], const uint32_t key[2],
                          uint32_t threshold, float scale) {
    uint32_t c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    size_t blocks = n / 4;
    for (size_t b = 0; b < blocks; b++) {
        uint32_t bits[4];
        philox((uint32_t)b, c1, c2, c3, k0, k1, bits);
        for (int l = 0; l < 4; l++) y[4 * b + l] = bits[l] >= threshold ? x[4 * b + l] * scale : 0.0f;
    }
    if (n % 4) {
        uint32_t bits[4];
        philox((uint32_t)blocks, c1, c2, c3, k0, k1, bits);
        for (size_t i = 4 * blocks; i < n; i++) y[i] = bits[i % 4] >= threshold ? x[i] * scale : 0.0f;
    }
}

CK_CLONES void ck_dropout_add(const float *x, float *y, size_t first, size_t n, const uint32_t counter[4],
                              const uint32_t key[2], uint32_t threshold, float scale) {
    uint32_t c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (size_t b = first / 4; 4 * b < first + n; b++) {
        uint32_t bits[4];
        philox((uint32_t)b, c1, c2, c3, k0, k1, bits);
        for (size_t l = 0; l < 4; l++) {
            size_t i = 4 * b + l;
            if (i >= first && i < first + n && bits[l] >= threshold) y[i - first] += x[i - first] * scale;
        }
    }
}
