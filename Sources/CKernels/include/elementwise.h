// Passes over rows of floats: norms, activations, rotary positions, softmax parts, and their backward forms.
// Every function works on one row (or one run of n floats) and gives the same bits for the same row on one instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Σ a·b
float ck_dot(const float *a, const float *b, size_t n);
// y += s·x
void ck_add_scaled(const float *x, float s, float *y, size_t n);
// x *= s
void ck_scale(float *x, float s, size_t n);
// The largest element; -inf for n = 0.
float ck_max(const float *x, size_t n);
// The index of the first element that is NaN or infinite, or -1.
int64_t ck_first_non_finite(const float *x, size_t n);

// y = x rounded to the nearest bf16, ties to even; NaN stays NaN.
void ck_round_bf16(const float *x, uint16_t *y, size_t n);
// y = x.
void ck_widen_bf16(const uint16_t *x, float *y, size_t n);

// y = x·r·w with r = 1/sqrt(mean(x²) + eps); returns r. (Zhang & Sennrich 2019, eq. 4)
float ck_rms_norm(const float *x, const float *w, float eps, float *y, size_t n);
// y = x·r·w with r given.
void ck_rms_norm_again(const float *x, const float *w, float r, float *y, size_t n);
// dx += r·(w·dy − x·r²·Σ(w·dy·x)/n)
void ck_rms_norm_backward(const float *dy, const float *x, const float *w, float r, float *dx, size_t n);

// y = silu(g)·u with silu(g) = g/(1 + exp(−g)). (Shazeer 2020, SwiGLU)
void ck_swiglu(const float *g, const float *u, float *y, size_t n);
// Replaces g and u by their gradients, given dy.
void ck_swiglu_backward(const float *restrict dy, float *restrict g, float *restrict u, size_t n);

// Rotates the halves of one head: (a, b) → (a·cos − s·b·sin, b·cos + s·a·sin), s = 1 forward, −1 backward. n = half of the head.
void ck_rotate(float *head, const float *cosine, const float *sine, float s, size_t n);

// x = exp(scale·x − shift); returns Σ x.
float ck_exp_sum(float *x, float scale, float shift, size_t n);
// ds = p·(dp − delta)·scale, written over dp.
void ck_softmax_backward(const float *p, float *dp, float delta, float scale, size_t n);
// The same from scores: s becomes p = exp(scale·s − shift), dp becomes p·(dp − delta)·scale.
void ck_softmax_scores_backward(
    float *restrict s, float *restrict dp, float scale, float shift, float delta, size_t n);
