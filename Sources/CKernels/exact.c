#include "exact.h"
#include "ck_clones.h"
#include <math.h>

#define CK_EXACT_UNIT 281474976710656.0  // 2^48

CK_CLONES int ck_exact_add(const float *x, int64_t *sums, size_t n) {
    const double limit = 16384.0;
    const int64_t most = (int64_t)1 << 62;
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        double value = x[i];
        double magnitude = fabs(value);
        int finite = magnitude < INFINITY;
        int inside = magnitude < limit;
        // Added without sign: a sum that has left the range (and was reported) wraps around.
        int64_t sum = (int64_t)((uint64_t)sums[i] + (uint64_t)(int64_t)rint((inside ? value : 0.0) * CK_EXACT_UNIT));
        wrong |= (finite ? 0 : 1) | (finite && !inside ? 2 : 0) | (sum >= most || sum <= -most ? 2 : 0);
        sums[i] = sum;
    }
    return wrong;
}

CK_CLONES double ck_exact_largest(const int64_t *sums, size_t n) {
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t magnitude = sums[i] < 0 ? -(uint64_t)sums[i] : (uint64_t)sums[i];
        most = magnitude > most ? magnitude : most;
    }
    return (double)most / CK_EXACT_UNIT;
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
