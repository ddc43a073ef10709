#ifndef ANNEAL_H
#define ANNEAL_H

#define N_CITIES 100

typedef struct { double x, y; } City;

double tour_length(const City *cities, const int *tour);
void anneal(const City *cities, int *tour);
double uniform(void);

#endif
