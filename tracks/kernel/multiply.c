/* The product of two square matrices of bytes, block by block: c = a b, each n by n, row after row. */

#include "multiply.h"

/* Of a block: rows of a and c; columns of a, rows of b; columns of b and c. */
#define BLOCK_ROWS 4  // knob: size 1..512
#define BLOCK_INNER 4  // knob: size 1..512
#define BLOCK_COLUMNS 4  // knob: size 1..512

static int least(int a, int b) { return a < b ? a : b; }

/* Add to a block of c what one block of a and one of b give. */
static void add(const uint8_t *a, const uint8_t *b, int32_t *c, int n, int rows, int inner, int columns) {
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < inner; k++)
            for (int j = 0; j < columns; j++)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
}

void multiply(const uint8_t *a, const uint8_t *b, int32_t *c, int n) {
    for (int i = 0; i < n * n; i++)
        c[i] = 0;
    for (int i = 0; i < n; i += BLOCK_ROWS)
        for (int k = 0; k < n; k += BLOCK_INNER)
            for (int j = 0; j < n; j += BLOCK_COLUMNS)
                add(a + i * n + k, b + k * n + j, c + i * n + j, n, least(BLOCK_ROWS, n - i), least(BLOCK_INNER, n - k),
                    least(BLOCK_COLUMNS, n - j));
}
