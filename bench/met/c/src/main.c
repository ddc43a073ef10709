/* A round trip through random cities. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "anneal.h"

double tour_length(const City *cities, const int *tour) {
    double sum = 0;
    for (int i = 0; i < N_CITIES; i++) {
        City a = cities[tour[i]], b = cities[tour[(i + 1) % N_CITIES]];
        sum += hypot(a.x - b.x, a.y - b.y);
    }
    return sum;
}

int main(void) {
    static City cities[N_CITIES];
    static int tour[N_CITIES];
    srand(12345);
    for (int i = 0; i < N_CITIES; i++) {
        cities[i].x = uniform();
        cities[i].y = uniform();
        tour[i] = i;
    }
    printf("start: %.3f\n", tour_length(cities, tour));
    anneal(cities, tour);
    printf("tour length: %.4f\n", tour_length(cities, tour));
    return 0;
}
