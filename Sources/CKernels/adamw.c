#include "adamw.h"
#include "ck_clones.h"

CK_CLONES void ck_adamw_update(const ck_adamw *c, const int64_t *gradient_sums, float *values, float *m, float *v, size_t n) {
    const float decay = 1.0f - c->learning_rate * c->weight_decay;
    const float step = c->learning_rate / c->bias_correction1;
    for (size_t i = 0; i < n; i++) {
        float g = (float)((double)gradient_sums[i] * c->gradient_scale);
        float first = m[i] + c->one_minus_beta1 * (g - m[i]);
        float second = c->beta2 * v[i] + c->one_minus_beta2 * g * g;
        m[i] = first;
        v[i] = second;
        float root = __builtin_elementwise_sqrt(second) / c->bias_correction2_root + c->epsilon;
        values[i] = values[i] * decay - step * first / root;
    }
}
