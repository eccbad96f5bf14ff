#include "dequantize.h"
#include <string.h>

void ck_widen(ck_format format, const void *row, size_t first, size_t count, float *out) {
    if (format == CK_F32) memcpy(out, (const char *)row + 4 * first, 4 * count);
}
