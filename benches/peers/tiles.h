// The steps of a tiled Cholesky factorization, shared by all contestants. Tiles are stored by rows
// of `n` doubles.
#include <cmath>

static double dot(const double *a, const double *b, long n) {
    double sums[8] = {0}, rest = 0;
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++) rest += a[i] * b[i];
    for (int k = 0; k < 8; k++) rest += sums[k];
    return rest;
}

extern "C" {

// Factors a tile on the diagonal.
void tile_factor(double *tile, long n) {
    for (long j = 0; j < n; j++) {
        for (long i = j; i < n; i++) {
            double rest = tile[i * n + j] - dot(tile + i * n, tile + j * n, j);
            tile[i * n + j] = i == j ? std::sqrt(rest) : rest / tile[j * n + j];
        }
        for (long k = j + 1; k < n; k++) tile[j * n + k] = 0;
    }
}

// Solves for a tile below the diagonal, given the factor on the diagonal.
void tile_solve(const double *pivot, double *tile, long n) {
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) {
            double rest = tile[i * n + j] - dot(tile + i * n, pivot + j * n, j);
            tile[i * n + j] = rest / pivot[j * n + j];
        }
}

// Subtracts the product of a and the transpose of b from a tile.
void tile_update(const double *a, const double *b, double *tile, long n) {
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) tile[i * n + j] -= dot(a + i * n, b + j * n, n);
}

}
