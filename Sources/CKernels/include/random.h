// Random numbers that are a function of a key and a counter: Philox4x32-10 (Salmon et al. 2011).
#pragma once
#include <stddef.h>
#include <stdint.h>

// One block of four 32-bit numbers.
void ck_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
// y[i] = bits(i) >= threshold ? x[i]·scale : 0, where bits(i) is number i mod 4 of block
// (i / 4, counter[1], counter[2], counter[3]).
void ck_dropout(const float *x, float *y, size_t n, const uint32_t counter[4], const uint32_t key[2], uint32_t threshold, float scale);
// y[i] += the same mask applied to x.
void ck_dropout_add(const float *x, float *y, size_t first, size_t n, const uint32_t counter[4], const uint32_t key[2], uint32_t threshold, float scale);
