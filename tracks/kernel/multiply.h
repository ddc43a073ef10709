/* What serve.c calls and multiply.c gives. No entry of c passes 255 * 255 * n. */

#ifndef MULTIPLY_H
#define MULTIPLY_H

#include <stdint.h>

/* c = a b: matrices of n by n, row after row, which do not overlap. c holds anything before. */
void multiply(const uint8_t *a, const uint8_t *b, int32_t *c, int n);

#endif
