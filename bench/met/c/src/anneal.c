/* Simulated annealing with reversals of parts of the tour. */
#include <math.h>
#include <stdlib.h>
#include "anneal.h"

#define STEPS 100000
#define MAX_SEGMENT 50

static const double start_temperature = 3.0;
static const double cooling = 0.9;
static const int steps_per_temperature = 2000;

double uniform(void) { return rand() / (RAND_MAX + 1.0); }

static double distance(City a, City b) { return hypot(a.x - b.x, a.y - b.y); }

static void reverse(int *tour, int i, int j) {
    while (i < j) {
        int kept = tour[i];
        tour[i++] = tour[j];
        tour[j--] = kept;
    }
}

void anneal(const City *cities, int *tour) {
    double temperature = start_temperature;
    for (int step = 1; step <= STEPS; step++) {
        int i = 1 + (int)(uniform() * (N_CITIES - 2));
        int j = i + 1 + (int)(uniform() * MAX_SEGMENT);
        if (j >= N_CITIES) continue;
        City a = cities[tour[i - 1]], b = cities[tour[i]], c = cities[tour[j]], d = cities[tour[(j + 1) % N_CITIES]];
        double change = distance(a, c) + distance(b, d) - distance(a, b) - distance(c, d);
        if (change < 0 || uniform() < exp(-change / temperature)) reverse(tour, i, j);
        if (step % steps_per_temperature == 0) temperature *= cooling;
    }
}
