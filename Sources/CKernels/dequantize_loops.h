// The loops of dequantize.c, which includes this once for each instruction set, with NAME (adds the set's suffix) and
// HALF (one F16 number to float) defined. Plain loops: the compiler vectorises them for the set in force.
// Block layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
// Order of operations: gguf-py's quants.py, in float with every product and sum rounded by itself.

static void NAME(widen_f16)(const uint8_t *restrict in, size_t count, float *restrict out) {
    for (size_t i = 0; i < count; i++) out[i] = HALF(load16(in + 2 * i));
}

static void NAME(widen_bf16)(const uint8_t *restrict in, size_t count, float *restrict out) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)load16(in + 2 * i) << 16;
        memcpy(out + i, &bits, 4);
    }
}

// d, 32 signed bytes.
static void NAME(widen_q8_0)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 34, out += 32) {
        float d = HALF(load16(in));
        const int8_t *q = (const int8_t *)in + 2;
        for (int i = 0; i < 32; i++) out[i] = d * (float)q[i];
    }
}

// 16 bytes to 32 numbers: the low nibbles, then the high ones. Kept apart from the arithmetic for the vectoriser.
static inline void NAME(split_nibbles)(const uint8_t *restrict in, uint8_t *restrict q) {
    for (int i = 0; i < 16; i++) q[i] = in[i] & 15;
    for (int i = 0; i < 16; i++) q[16 + i] = in[i] >> 4;
}

// d, 16 bytes: low nibbles are elements 0…15, high ones 16…31.
static void NAME(widen_q4_0)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 18, out += 32) {
        float d = HALF(load16(in));
        uint8_t q[32];
        NAME(split_nibbles)(in + 2, q);
        for (int i = 0; i < 32; i++) out[i] = d * (float)((int)q[i] - 8);
    }
}

// d, m, nibbles as Q4_0.
static void NAME(widen_q4_1)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 20, out += 32) {
        float d = HALF(load16(in)), m = HALF(load16(in + 2));
        uint8_t q[32];
        NAME(split_nibbles)(in + 4, q);
        for (int i = 0; i < 32; i++) out[i] = d * (float)q[i] + m;
    }
}

// d, 32 fifth bits, nibbles as Q4_0.
static void NAME(widen_q5_0)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 22, out += 32) {
        float d = HALF(load16(in));
        uint32_t high;
        memcpy(&high, in + 2, 4);
        const uint8_t *q = in + 6;
        for (int i = 0; i < 16; i++) out[i] = d * (float)((int)((q[i] & 15) | (high >> i & 1) << 4) - 16);
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)((int)((q[i] >> 4) | (high >> (16 + i) & 1) << 4) - 16);
    }
}

// d, m, 32 fifth bits, nibbles as Q4_0.
static void NAME(widen_q5_1)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 24, out += 32) {
        float d = HALF(load16(in)), m = HALF(load16(in + 2));
        uint32_t high;
        memcpy(&high, in + 4, 4);
        const uint8_t *q = in + 8;
        for (int i = 0; i < 16; i++) out[i] = d * (float)(int)((q[i] & 15) | (high >> i & 1) << 4) + m;
        for (int i = 0; i < 16; i++) out[16 + i] = d * (float)(int)((q[i] >> 4) | (high >> (16 + i) & 1) << 4) + m;
    }
}

// The 6-bit scale and minimum of each of the 8 sub-blocks of Q4_K and Q5_K, packed in 12 bytes.
static inline void NAME(unpack_scales)(const uint8_t *in, uint8_t *scales, uint8_t *minima) {
    for (int i = 0; i < 4; i++) {
        scales[i] = in[i] & 0x3F;
        minima[i] = in[4 + i] & 0x3F;
        scales[4 + i] = (in[8 + i] & 0x0F) | (in[i] >> 2 & 0x30);
        minima[4 + i] = in[8 + i] >> 4 | (in[4 + i] >> 2 & 0x30);
    }
}

// d, dmin, 12 bytes of scales, 4 × 32 bytes: low nibbles are sub-block 2c, high ones 2c + 1.
static void NAME(widen_q4_k)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 144) {
        float d = HALF(load16(in)), dmin = HALF(load16(in + 2));
        uint8_t scales[8], minima[8];
        NAME(unpack_scales)(in + 4, scales, minima);
        const uint8_t *q = in + 16;
        for (int c = 0; c < 4; c++, q += 32, out += 64) {
            float low = d * (float)scales[2 * c], lowMin = dmin * (float)minima[2 * c];
            float high = d * (float)scales[2 * c + 1], highMin = dmin * (float)minima[2 * c + 1];
            for (int i = 0; i < 32; i++) out[i] = low * (float)(q[i] & 15) - lowMin;
            for (int i = 0; i < 32; i++) out[32 + i] = high * (float)(q[i] >> 4) - highMin;
        }
    }
}

// d, dmin, 12 bytes of scales, 32 bytes with bit s the fifth bit of sub-block s, nibbles as Q4_K.
static void NAME(widen_q5_k)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 176) {
        float d = HALF(load16(in)), dmin = HALF(load16(in + 2));
        uint8_t scales[8], minima[8];
        NAME(unpack_scales)(in + 4, scales, minima);
        const uint8_t *fifth = in + 16, *q = in + 48;
        for (int c = 0; c < 4; c++, q += 32, out += 64) {
            float low = d * (float)scales[2 * c], lowMin = dmin * (float)minima[2 * c];
            float high = d * (float)scales[2 * c + 1], highMin = dmin * (float)minima[2 * c + 1];
            for (int i = 0; i < 32; i++)
                out[i] = low * (float)((q[i] & 15) | (fifth[i] >> (2 * c) & 1) << 4) - lowMin;
            for (int i = 0; i < 32; i++)
                out[32 + i] = high * (float)((q[i] >> 4) | (fifth[i] >> (2 * c + 1) & 1) << 4) - highMin;
        }
    }
}

// 2 × 64 bytes of low nibbles, 2 × 32 bytes of upper bit pairs, 16 signed scales (one per 16 elements), d.
static void NAME(widen_q6_k)(const uint8_t *restrict in, size_t blocks, float *restrict out) {
    for (; blocks > 0; blocks--, in += 210) {
        float d = HALF(load16(in + 208));
        const int8_t *scales = (const int8_t *)in + 192;
        for (int h = 0; h < 2; h++) {
            const uint8_t *low = in + 64 * h, *high = in + 128 + 32 * h;
            for (int g = 0; g < 4; g++) {
                const uint8_t *q = low + 32 * (g & 1);
                int shift = g < 2 ? 0 : 4;
                for (int s = 0; s < 2; s++, out += 16) {
                    float scale = d * (float)scales[8 * h + 2 * g + s];
                    for (int i = 16 * s, j = 0; j < 16; i++, j++)
                        out[j] = scale * (float)((int)((q[i] >> shift & 15) | (high[i] >> (2 * g) & 3) << 4) - 32);
                }
            }
        }
    }
}

static void NAME(widen)(ck_format format, const uint8_t *row, size_t first, size_t count, float *out) {
    switch (format) {
    case CK_F32: memcpy(out, row + 4 * first, 4 * count); break;
    case CK_F16: NAME(widen_f16)(row + 2 * first, count, out); break;
    case CK_BF16: NAME(widen_bf16)(row + 2 * first, count, out); break;
    case CK_Q8_0: NAME(widen_q8_0)(row + first / 32 * 34, count / 32, out); break;
    case CK_Q4_0: NAME(widen_q4_0)(row + first / 32 * 18, count / 32, out); break;
    case CK_Q4_1: NAME(widen_q4_1)(row + first / 32 * 20, count / 32, out); break;
    case CK_Q5_0: NAME(widen_q5_0)(row + first / 32 * 22, count / 32, out); break;
    case CK_Q5_1: NAME(widen_q5_1)(row + first / 32 * 24, count / 32, out); break;
    case CK_Q4_K: NAME(widen_q4_k)(row + first / 256 * 144, count / 256, out); break;
    case CK_Q5_K: NAME(widen_q5_k)(row + first / 256 * 176, count / 256, out); break;
    case CK_Q6_K: NAME(widen_q6_k)(row + first / 256 * 210, count / 256, out); break;
    }
}
