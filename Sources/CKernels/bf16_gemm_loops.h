// Products of packed bf16 operands without bf16 instructions, compiled once for each instruction set; NAME tells them apart.
// TILE_ROWS, 4 or 8, is how many rows of sums fit in its registers.
#include <stdint.h>

typedef float NAME(floats) __attribute__((vector_size(64), aligned(4)));
typedef uint32_t NAME(words) __attribute__((vector_size(64), aligned(4)));

static inline __attribute__((always_inline)) float NAME(low)(uint32_t word) {
    uint32_t bits = word << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline __attribute__((always_inline)) float NAME(high)(uint32_t word) {
    uint32_t bits = word & 0xFFFF0000u;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// At most TILE_ROWS × 16 elements of c, `lane` columns into the right operand's block.
static inline __attribute__((always_inline)) void NAME(tile)(
    const ck_bf16_term *terms, size_t count, size_t row, size_t column, size_t lane, size_t rows, size_t columns,
    float *c, size_t stride, int accumulate) {
#pragma clang fp contract(fast)
    NAME(floats) sum[TILE_ROWS] = {0};
    for (size_t t = 0; t < count; t++) {
        const uint32_t *a = terms[t].left + row / 8 * terms[t].left_block + row % 8;
        const uint32_t *b = terms[t].right + column * terms[t].right_pairs + lane;
        size_t width = ck_bf16_block_width(terms[t].right_lines, column);
        for (size_t p = 0; p < terms[t].pairs; p++, a += 8, b += width) {
            NAME(words) pair = *(const NAME(words) *)b;
            NAME(floats) even = (NAME(floats))(pair << 16), odd = (NAME(floats))(pair & 0xFFFF0000u);
#pragma clang loop unroll(full)
            for (int i = 0; i < TILE_ROWS; i++) sum[i] += NAME(low)(a[i]) * even;
#pragma clang loop unroll(full)
            for (int i = 0; i < TILE_ROWS; i++) sum[i] += NAME(high)(a[i]) * odd;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        float line[16];
        memcpy(line, &sum[i], sizeof line);
        for (size_t j = 0; j < columns; j++) c[i * stride + j] = accumulate ? c[i * stride + j] + line[j] : line[j];
    }
}

static void NAME(gemm)(
    const ck_bf16_term *terms, size_t count, size_t rows, size_t columns, float *c, size_t stride, int accumulate) {
    for (size_t column = 0; column < columns; column += 48) {
        size_t width = columns - column < 48 ? (columns - column + 15) / 16 * 16 : 48;
        for (size_t lane = 0; lane < width; lane += 16) {
            size_t n = columns - column - lane < 16 ? columns - column - lane : 16;
            for (size_t row = 0; row < rows; row += TILE_ROWS)
                NAME(tile)(
                    terms, count, row, column, lane, rows - row < TILE_ROWS ? rows - row : TILE_ROWS, n,
                    c + row * stride + column + lane, stride, accumulate);
        }
    }
}
