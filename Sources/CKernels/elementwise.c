#include "elementwise.h"
#include "ck_clones.h"
#include <math.h>
#include <string.h>

// exp by 2^k times a polynomial of degree 7 on ±ln2/2 (error below 2 units in the last place from −87.3 to 88, measured on the
// whole range); below −87.3 it is 0, above 88 it is exp(88).
static inline __attribute__((always_inline)) float ck_exp(float x) {
    // NaN counts as the lowest here, as it has no whole part.
    float clamped = x > 88.0f ? 88.0f : (x >= -87.3f ? x : -87.3f);
    float k = rintf(clamped * 1.44269504088896341f);
    float r = clamped - k * 0.693145751953125f;
    r = r - k * 1.428606765330187e-06f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &p, 4);
    bits += (int32_t)k * (1 << 23);
    memcpy(&p, &bits, 4);
    return x < -87.3f ? 0.0f : (x == x ? p : x);
}

CK_CLONES float ck_dot(const float *a, const float *b, size_t n) {
#pragma clang fp reassociate(on) contract(fast)
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

CK_CLONES void ck_add_scaled(const float *x, float s, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += s * x[i];
}

CK_CLONES void ck_scale(float *x, float s, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] *= s;
}

CK_CLONES float ck_max(const float *x, size_t n) {
    // Lanes that do not wait for each other, each the largest of every 64th element.
    enum { LANES = 64 };
    float most[LANES];
    for (int l = 0; l < LANES; l++) most[l] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
    for (int l = 0; i < n; i++, l++) most[l] = x[i] > most[l] ? x[i] : most[l];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) most[l] = most[l + half] > most[l] ? most[l + half] : most[l];
    return most[0];
}

int64_t ck_first_non_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return (int64_t)i;
    return -1;
}

CK_CLONES void ck_round_bf16(const float *restrict x, uint16_t *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], 4);
        uint32_t quiet = bits >> 16 | 0x40, nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
        y[i] = (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : nearest);
    }
}

CK_CLONES void ck_widen_bf16(const uint16_t *restrict x, float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, 4);
    }
}

CK_CLONES float ck_rms_norm(const float *x, const float *w, float eps, float *y, size_t n) {
#pragma clang fp reassociate(on) contract(fast)
    float squares = 0;
    for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
    float r = 1.0f / sqrtf(squares / (float)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = w[i] * (x[i] * r);
    return r;
}

CK_CLONES void ck_rms_norm_again(const float *x, const float *w, float r, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = w[i] * (x[i] * r);
}

CK_CLONES void ck_rms_norm_backward(const float *dy, const float *x, const float *w, float r, float *dx, size_t n) {
#pragma clang fp reassociate(on) contract(fast)
    float along = 0;
    for (size_t i = 0; i < n; i++) along += w[i] * dy[i] * x[i];
    float back = along * r * r * r / (float)n;
    for (size_t i = 0; i < n; i++) dx[i] += r * w[i] * dy[i] - back * x[i];
}

CK_CLONES void ck_swiglu(const float *g, const float *u, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = g[i] / (1.0f + ck_exp(-g[i])) * u[i];
}

CK_CLONES void ck_swiglu_backward(const float *restrict dy, float *restrict g, float *restrict u, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float gate = g[i], up = u[i], d = dy[i];
        float sigmoid = 1.0f / (1.0f + ck_exp(-gate));
        float silu = gate * sigmoid;
        u[i] = d * silu;
        g[i] = d * up * (sigmoid + silu * (1.0f - sigmoid));
    }
}

CK_CLONES void ck_rotate(float *head, const float *cosine, const float *sine, float s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float a = head[i], b = head[n + i];
        head[i] = a * cosine[i] - s * b * sine[i];
        head[n + i] = b * cosine[i] + s * a * sine[i];
    }
}

CK_CLONES float ck_exp_sum(float *x, float scale, float shift, size_t n) {
#pragma clang fp reassociate(on) contract(fast)
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        float e = ck_exp(scale * x[i] - shift);
        x[i] = e;
        sum += e;
    }
    return sum;
}

CK_CLONES void ck_softmax_backward(const float *p, float *dp, float delta, float scale, size_t n) {
    for (size_t i = 0; i < n; i++) dp[i] = p[i] * (dp[i] - delta) * scale;
}

CK_CLONES void ck_softmax_scores_backward(
    float *restrict s, float *restrict dp, float scale, float shift, float delta, size_t n) {
#pragma clang fp contract(fast)
    for (size_t i = 0; i < n; i++) {
        float p = ck_exp(scale * s[i] - shift);
        s[i] = p;
        dp[i] = p * (dp[i] - delta) * scale;
    }
}
