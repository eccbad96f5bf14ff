// Matrix products of bf16 numbers with sums in float, from operands packed in pairs of the inner dimension.
//
// A pair is one 32-bit word: element 2p of the inner dimension in its low half, 2p + 1 in its high half; a missing last element
// is zero. Words lie as [pair][line] for the lines (rows of the left operand, columns of the right one) of one block:
//   left:  blocks of 8 lines, all of them 8 wide;
//   right: blocks of 48 lines, the last one as wide as its lines need, rounded up to 16.
// Lines that do not exist hold zeros.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The instruction sets to choose from. All round to the nearest bf16, ties to even, and keep infinities and NaN;
// CK_BF16_NATIVE takes subnormal numbers for zero.
typedef enum ck_bf16_isa { CK_BF16_PORTABLE, CK_BF16_AVX2, CK_BF16_AVX512, CK_BF16_NATIVE } ck_bf16_isa;

// The best of this CPU.
ck_bf16_isa ck_bf16_best_isa(void);

enum { CK_BF16_LEFT = 8, CK_BF16_RIGHT = 48 };

// Where a block of lines stands in packed memory.
typedef struct ck_bf16_place {
    uint32_t *words;  // of the first line's block, pair 0
    size_t pairs;     // pairs in a block, so that a block of width w has pairs · w words
    size_t lines;     // lines of the whole operand
    size_t width;     // CK_BF16_LEFT or CK_BF16_RIGHT
} ck_bf16_place;

// Words between the pairs of the right operand's block that begins at `line`.
static inline size_t ck_bf16_block_width(size_t lines, size_t line) {
    size_t left = lines - line;
    return left >= CK_BF16_RIGHT ? CK_BF16_RIGHT : (left + 15) / 16 * 16;
}

// Words of a packed operand.
size_t ck_bf16_words(size_t pairs, size_t lines, size_t width);

// Packs rows of the source as lines [first, first + count) of the operand, count at most 16 and first a multiple of 16: rows[i]
// has 2 · pairs elements or one less, `length`. Elements are float, or bf16 as they are. They become pairs from `pair` on.
// `scale` multiplies floats before they are rounded.
void ck_bf16_pack_across(
    ck_bf16_isa isa, const void *const *rows, size_t count, int is_bf16, size_t length, float scale, ck_bf16_place to,
    size_t first, size_t pair);

// Packs two rows of the source as pair `pair` of lines 0 ..< to.lines; `second` may be NULL for zeros.
void ck_bf16_pack_along(
    ck_bf16_isa isa, const void *first, const void *second, int is_bf16, float scale, ck_bf16_place to, size_t pair);

// One summand of a product: `pairs` pairs of both operands.
typedef struct ck_bf16_term {
    const uint32_t *left;    // the first block's first pair that counts
    size_t left_block;       // words from one block of the left operand to the next
    const uint32_t *right;   // a packed operand, of which the first `pairs` pairs and the first lines count
    size_t right_pairs;      // pairs that it holds
    size_t right_lines;      // lines that it holds, at least as many as c has columns
    size_t pairs;
} ck_bf16_term;

// c (rows, columns) = Σ over the terms, or += where `accumulate`. c has `stride` floats from row to row.
// Each element is summed in the order of the terms and pairs, whatever the shape of c.
void ck_bf16_gemm(
    ck_bf16_isa isa, const ck_bf16_term *terms, size_t count, size_t rows, size_t columns, float *c, size_t stride,
    int accumulate);
