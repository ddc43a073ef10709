// Ant colonies on a shortest-tour problem: c++ -O2 -o program main.cpp && ./program
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

constexpr int kCities = 40;
constexpr int kAnts = 6;
constexpr int kRounds = 40;
constexpr double kPheromonePower = 0.3;
constexpr double kDistancePower = 1.5;
constexpr double kEvaporation = 0.05;
constexpr double kDeposit = 1.0;

int main() {
    const char *given = std::getenv("SEED");
    std::mt19937 rng(given ? std::atoi(given) : 1);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::vector<double> x(kCities), y(kCities);
    for (int i = 0; i < kCities; i++) { x[i] = uniform(rng); y[i] = uniform(rng); }
    auto far = [&](int a, int b) { return std::hypot(x[a] - x[b], y[a] - y[b]) + 1e-9; };
    std::vector<std::vector<double>> scent(kCities, std::vector<double>(kCities, 1.0));
    double best = 1e9;
    for (int round = 0; round < kRounds; round++) {
        for (int ant = 0; ant < kAnts; ant++) {
            std::vector<int> tour{int(uniform(rng) * kCities)};
            std::vector<bool> seen(kCities, false);
            seen[tour[0]] = true;
            double length = 0;
            while (int(tour.size()) < kCities) {
                std::vector<double> weight(kCities, 0.0);
                double sum = 0;
                for (int c = 0; c < kCities; c++)
                    if (!seen[c])
                        sum += weight[c] = std::pow(scent[tour.back()][c], kPheromonePower) *
                                           std::pow(1 / far(tour.back(), c), kDistancePower);
                double lot = uniform(rng) * sum;
                int next = -1;
                for (int c = 0; c < kCities; c++)
                    if (!seen[c]) { next = c; if ((lot -= weight[c]) <= 0) break; }
                length += far(tour.back(), next);
                seen[next] = true;
                tour.push_back(next);
            }
            length += far(tour.back(), tour[0]);
            if (length < best) best = length;
            for (int k = 0; k < kCities; k++) {
                int a = tour[k], b = tour[(k + 1) % kCities];
                scent[a][b] = scent[b][a] += kDeposit / length;
            }
        }
        for (auto &row : scent) for (auto &value : row) value *= 1 - kEvaporation;
    }
    std::printf("best tour length: %.4f\n", best);
}
