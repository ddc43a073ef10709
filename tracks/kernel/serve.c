/* Answers products of matrices until nobody asks any more.

   Asked in one line of JSON, {"n": n, "bytes": 2 n n}, and the bytes of a and of b; answers n n int32, little-endian.
   `multiply --try` multiplies matrices of 37 by 37, and ends with status 1 where that is wrong. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multiply.h"

static int try(void) {
    enum { N = 37 };
    static uint8_t a[N * N], b[N * N];
    static int32_t c[N * N];
    for (int i = 0; i < N * N; i++) {
        a[i] = (uint8_t)(i * 7 + 3);
        b[i] = (uint8_t)(i * 13 + 5);
    }
    multiply(a, b, c, N);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += a[i * N + k] * b[k * N + j];
            if (c[i * N + j] != sum) {
                fprintf(stderr, "multiply: entry %d, %d of a product is %d, not %d\n", i, j, c[i * N + j], sum);
                return 1;
            }
        }
    return 0;
}

static int answer(const char *line) {
    const char *said = strstr(line, "\"n\":");
    size_t n = said ? (size_t)atoi(said + 4) : 0, entries = n * n;
    if (n < 1 || n > 4096)
        return 1;
    uint8_t *in = aligned_alloc(64, (2 * entries + 63) / 64 * 64);
    int32_t *out = aligned_alloc(64, (4 * entries + 63) / 64 * 64);
    int bad = !in || !out || fread(in, 1, 2 * entries, stdin) != 2 * entries;
    if (!bad) {
        multiply(in, in + entries, out, (int)n);
        bad = fwrite(out, 4, entries, stdout) != entries || fflush(stdout);
    }
    free(in);
    free(out);
    return bad;
}

int main(int count, char **words) {
    char line[256];
    if (count == 2 && !strcmp(words[1], "--try"))
        return try();
    while (fgets(line, sizeof line, stdin))
        if (answer(line))
            return 1;
    return 0;
}
