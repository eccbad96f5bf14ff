// Sums that do not depend on their order: floats as 64-bit integers in units of 2^-48.
#pragma once
#include <stddef.h>
#include <stdint.h>

// sums[i] += round(x[i]·2^48), ties to even. Returns 0, or bit 0 where an x was not finite, bit 1 where |x| is 2^14 or more (such
// an x counts as 0). *largest becomes the largest |x[i]| that counted, if that is more.
int ck_exact_add(const float *x, int64_t *sums, size_t n, float *largest);
// Σ (sums[i]·2^-48)² in float64, in index order by fixed lanes.
double ck_exact_sum_of_squares(const int64_t *sums, size_t n);
// A number that tells these words from any others, but for one case in 2^64.
uint64_t ck_digest(const float *x, size_t n);
