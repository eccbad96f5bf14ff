// One AdamW update over a run of parameters (Loshchilov & Hutter 2019, as torch.optim.AdamW computes it).
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct ck_adamw {
    float learning_rate, beta2, epsilon, weight_decay;
    float one_minus_beta1, one_minus_beta2;  // rounded once: 1 − 0.999f is off by 1.3e-5 of itself
    float bias_correction1;       // 1 − beta1^t
    float bias_correction2_root;  // sqrt(1 − beta2^t)
    double gradient_scale;        // from exact sums to the gradient: the unit 2^-48 times the clipping factor
} ck_adamw;

void ck_adamw_update(const ck_adamw *c, const int64_t *gradient_sums, float *values, float *m, float *v, size_t n);
