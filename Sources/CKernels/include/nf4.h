// 4-bit NormalFloat (Dettmers et al. 2023, QLoRA, appendix E): blocks of 64 elements of the flattened tensor, each element the
// number of one of 16 levels, times a scale of the block. Scales are 8-bit numbers of a dynamic map times a scale of 256 of them,
// plus their mean ("double quantisation"). Bit for bit what bitsandbytes gives on a CPU for fp32 input.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "dequantize.h"

#define CK_NF4_BLOCK 64
#define CK_NF4_GROUP 256

typedef struct ck_nf4 {
    const uint8_t *codes;   // two elements a byte, the first in the high half
    const uint8_t *scales;  // one for each block, an index of `map`; NULL where `groups` holds one scale for each block
    const void *groups;     // floats at any alignment, one for each 256 blocks
    const float *map;       // 256 values
    float offset;
} ck_nf4;

// The 16 levels, ascending.
extern const float ck_nf4_levels[16];
// The map of scales: 256 ascending values, of 7 decades each twice as fine as the one below, from -0.993 to 1.
void ck_nf4_scale_map(float map[256]);

// Widens elements [first, first + count) of the flattened tensor.
void ck_nf4_widen(const ck_nf4 *tensor, size_t first, size_t count, float *out);
void ck_nf4_widen_with(ck_isa isa, const ck_nf4 *tensor, size_t first, size_t count, float *out);

// Codes of `count` elements, which begin a block, and the largest magnitude of each block (at least 1e-38 of a block that is not
// full, as the reference has it).
// Returns 0, or 1 if an element is NaN or infinite.
int ck_nf4_quantize(const float *x, size_t count, uint8_t *codes, float *absmax);
// Codes of `count` scales, which begin a group, less `offset`, and the scale of each group.
void ck_nf4_quantize_scales(
    const float *absmax, size_t count, float offset, const float map[256], uint8_t *codes, float *groups);
