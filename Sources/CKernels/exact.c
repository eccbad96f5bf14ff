#include "exact.h"
#include "ck_clones.h"
#include <math.h>
#include <string.h>

#define CK_EXACT_UNIT 281474976710656.0  // 2^48

CK_CLONES int ck_exact_add(const float *x, int64_t *sums, size_t n, float *largest) {
    const float limit = 16384.0f;
    int wrong = 0;
    float most = *largest;
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(x[i]);
        int finite = magnitude < INFINITY;
        int inside = magnitude < limit;
        double value = inside ? (double)x[i] : 0.0;
        // Added without sign: sums that leave the range, which their users are told of, wrap around.
        sums[i] = (int64_t)((uint64_t)sums[i] + (uint64_t)(int64_t)rint(value * CK_EXACT_UNIT));
        wrong |= (finite ? 0 : 1) | (finite && !inside ? 2 : 0);
        most = inside && magnitude > most ? magnitude : most;
    }
    *largest = most;
    return wrong;
}

CK_CLONES double ck_exact_sum_of_squares(const int64_t *sums, size_t n) {
    double lanes[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            double value = (double)sums[i + l] * (1.0 / CK_EXACT_UNIT);
            lanes[l] += value * value;
        }
    double sum = 0;
    for (; i < n; i++) {
        double value = (double)sums[i] * (1.0 / CK_EXACT_UNIT);
        sum += value * value;
    }
    for (int l = 0; l < 8; l++) sum += lanes[l];
    return sum;
}

CK_CLONES uint64_t ck_digest(const float *x, size_t n) {
    // Sixteen streams, each a polynomial in an odd multiplier: a change of one word, or of the order, changes its stream.
    uint64_t lanes[16];
    for (int l = 0; l < 16; l++) lanes[l] = 0x9E3779B97F4A7C15ull * (uint64_t)(l + 1);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint32_t words[16];
        memcpy(words, x + i, sizeof words);
        for (int l = 0; l < 16; l++) lanes[l] = (lanes[l] ^ words[l]) * 0xD6E8FEB86659FD93ull + (lanes[l] >> 32);
    }
    uint64_t digest = n;
    for (; i < n; i++) {
        uint32_t word;
        memcpy(&word, x + i, sizeof word);
        digest = (digest ^ word) * 0xD6E8FEB86659FD93ull + (digest >> 32);
    }
    for (int l = 0; l < 16; l++) digest = (digest ^ lanes[l]) * 0xD6E8FEB86659FD93ull + (digest >> 32);
    return digest;
}
