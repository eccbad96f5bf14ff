// Elementwise passes and reductions over rows of floats.
#pragma once
#include <stddef.h>
#include <stdint.h>

double ck_sum_of_squares(const float *x, size_t n);
